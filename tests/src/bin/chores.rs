//! A process that does chores until it is killed: `chores URL PREFIX LOG`.

use resilient_tests::chores::builder;
use resilient_tests::process::serve;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    serve(builder).await;
}
