//! The old build of the program of [`deployments`](resilient_tests::deployments): `old_build URL PREFIX LOG`.

use resilient_tests::deployments::old;
use resilient_tests::process::serve;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    serve(old::builder).await;
}
