//! **What does a resilient function look like?**
//!
//! It is an `async fn` with an attribute. The attribute gives it a name in the database, which stays the same when the
//! function is renamed, and handles such as `hello_world::invoke`. The function itself stays what it is.
//!
//! ```console
//! $ cargo run --bin hello_world
//! called: HELLO WORLD
//! invoked: HELLO WORLD
//! ```

use resilient::prelude::*;

#[resilient_fn(type_id = "HelloWorld")]
async fn hello_world(param: String) -> String {
    param.to_uppercase()
}

#[tokio::main]
async fn main() -> resilient::Result<()> {
    // A plain call: no runtime, no database, as in a unit test.
    println!("called: {}", hello_world("hello world".to_owned()).await);

    // A resilient call: stored under the id `first` before it runs, and completed whatever crashes. This store forgets
    // everything when the process ends; the next samples have one that does not.
    let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
    let greeting = hello_world::invoke(&runtime, "first", "hello world".to_owned()).await?;
    println!("invoked: {greeting}");

    runtime.shutdown().await?;
    Ok(())
}
