//! A web service around resilient functions: an [axum] server and a [`Runtime`](resilient::Runtime) that start, answer
//! and end together.
//!
//! - [`Server`] runs both until Ctrl-C or SIGTERM, and then ends them in the order in which nothing is cut off: first it
//!   says that it is not ready, then it takes no more connections and lets every request finish, then it shuts the
//!   runtime down, which waits for what runs and hands the rest to other replicas.
//! - `State<Runtime>` is the runtime in a handler, and [`Function<F>`] one resilient function of it.
//! - [`Problem`] is the answer to an [`InvokeError`](resilient::InvokeError): a status, and a body as in RFC 9457, so
//!   that handlers use `?`.
//! - [`Health`] says whether the process is alive, and whether it is ready for requests.
//!
//! ```
//! use axum::extract::Path;
//! use axum::http::StatusCode;
//! use axum::routing::post;
//! use axum::{Json, Router};
//! use resilient::prelude::*;
//! use resilient_axum::{Function, Problem, Server};
//!
//! #[resilient_fn(type_id = "Greeting")]
//! async fn greet(name: String) -> String {
//!     format!("hello {name}")
//! }
//!
//! /// Answers when the greeting is stored; whatever happens to this process, it is made.
//! async fn start(greeting: Function<greet>, Path(id): Path<String>, name: String) -> Result<StatusCode, Problem> {
//!     greeting.schedule(id, name).await?;
//!     Ok(StatusCode::ACCEPTED)
//! }
//!
//! /// Answers when the greeting is made.
//! async fn wait(greeting: Function<greet>, Path(id): Path<String>) -> Result<Json<String>, Problem> {
//!     Ok(Json(greeting.completion(id).await?))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::builder(InMemoryStore::new()).discover().start().await?;
//! let app = Router::new().route("/greetings/{id}", post(start).get(wait)).with_state(runtime.clone());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = Server::new(runtime, app);
//! # let server = server.until(async {});
//! let ended = server.serve(listener).await?;
//! assert_eq!(ended.functions.handed_over, 0);
//! # Ok(())
//! # }
//! ```

mod function;
mod health;
mod problem;
mod server;
mod signal;

pub use self::function::Function;
pub use self::health::Health;
pub use self::problem::Problem;
pub use self::server::{Ended, ServeError, Server};
pub use self::signal::termination;
