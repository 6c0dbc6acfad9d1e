use resilient::Runtime;

pub struct Plain;

async fn call(runtime: &Runtime) {
    let _ = runtime.reinvoke::<Plain>("1").await;
}

fn main() {
    let _ = call;
}
