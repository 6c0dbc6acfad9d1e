//! The new build of the program of [`deployments`](resilient_tests::deployments): `new_build URL PREFIX LOG`.

use resilient_tests::deployments::new;
use resilient_tests::process::serve;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    serve(new::builder).await;
}
