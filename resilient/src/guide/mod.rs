//! The user guide: one chapter for each question, in the order in which to read them.
//!
//! | chapter | the question it answers |
//! |---|---|
//! | [`getting_started`] | How do I make a function of mine survive a crash? |
//! | [`scrapbooks`] | How does a function know what it has done already? |
//! | [`at_most_once`] | What about a call that must not happen twice? |
//! | [`retries_and_timers`] | How does it try again later, or wait for a week? |
//! | [`messages`] | How does the rest of the world answer it? |
//! | [`children`] | How does a function start others, and wait for them? |
//! | [`recurring_jobs`] | How do I run something every hour, or every night? |
//! | [`transactions`] | How do my own rows and my progress change together? |
//! | [`cancelling`] | How do I stop an instance? |
//! | [`versions`] | How do I deploy new code while old instances are under way? |
//! | [`codecs_and_retention`] | In which form is data stored, and for how long? |
//! | [`testing`] | How do I test a crash? |
//! | [`operating`] | What do I watch, and how do I repair? |
//! | [`choosing_settings`] | What does a shorter heartbeat do, and what does it cost? |
//! | [`writing_a_store`] | How do I bring a database of my own? |
//! | [`coming_from`] | I know Cleipnir, Temporal, DBOS or a job queue. What is it called here? |
//!
//! Begin with [`getting_started`]: it takes a quarter of an hour, and ends with a function that was killed and went on.
//! Each chapter has its question, the smallest example that answers it, what to know, and the mistakes that people make.
//! All examples are run. Whole programs to run and to read are in `examples/README.md` of the repository, in learning order, each
//! with the question that it answers. The reference is the rest of this crate: its [front page](crate) has the promises,
//! [`resilient_fn`](crate::resilient_fn) all arguments of the attribute.
//!
//! # Words
//!
//! | word | what it is |
//! |---|---|
//! | function type | a function with `#[resilient_fn]`, stored under its `type_id` |
//! | instance | one piece of work of it, named by an id that its caller chooses |
//! | run | one call of the body. An instance has several when it crashes, waits or is tried again |
//! | scrapbook | the progress of an instance: a struct of yours |
//! | outcome | how a run ends: a result, a failure, postponed, or suspended |
//! | replica | a process that runs functions |
//! | lease | how long after its last sign of life a replica counts as alive |
//! | epoch | a number that grows with every change of owner or status, so that a run that was taken over cannot write |

#[doc = include_str!("getting_started/begin.md")]
// The program is that of `tests/tests/guide.rs`, which kills it. Here it runs on a store in memory.
#[doc = concat!(
    "```standalone_crate\n",
    include_str!("getting_started/main.rs"),
    "# mod resilient_sqlx {
#     pub(crate) struct SqliteStore;
#     impl SqliteStore {
#         pub(crate) async fn open(_: &str) -> resilient::Result<resilient::InMemoryStore> {
#             Ok(resilient::InMemoryStore::new())
#         }
#     }
# }
```"
)]
#[doc = include_str!("getting_started/go_on.md")]
pub mod getting_started {}

#[doc = include_str!("scrapbooks.md")]
pub mod scrapbooks {}

#[doc = include_str!("at_most_once.md")]
pub mod at_most_once {}

#[doc = include_str!("retries_and_timers.md")]
pub mod retries_and_timers {}

#[doc = include_str!("messages.md")]
pub mod messages {}

#[doc = include_str!("children.md")]
pub mod children {}

#[doc = include_str!("recurring_jobs.md")]
pub mod recurring_jobs {}

#[doc = include_str!("transactions/begin.md")]
// `tests/tests/guide.rs` runs it on SQLite, and this without a database.
#[doc = concat!("```standalone_crate\n", include_str!("transactions/booking.rs"), include_str!("transactions/stand_in.txt"), "```")]
#[doc = include_str!("transactions/go_on.md")]
pub mod transactions {}

#[doc = include_str!("cancelling.md")]
pub mod cancelling {}

#[doc = include_str!("versions.md")]
pub mod versions {}

#[doc = include_str!("codecs_and_retention.md")]
pub mod codecs_and_retention {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("operating.md")]
pub mod operating {}

#[doc = include_str!("choosing_settings.md")]
pub mod choosing_settings {}

#[doc = include_str!("writing_a_store.md")]
pub mod writing_a_store {}

#[doc = include_str!("coming_from/mod.md")]
pub mod coming_from {
    #[doc = include_str!("coming_from/cleipnir.md")]
    pub mod cleipnir {}

    #[doc = include_str!("coming_from/temporal.md")]
    pub mod temporal {}

    #[doc = include_str!("coming_from/dbos.md")]
    pub mod dbos {}

    #[doc = include_str!("coming_from/job_queue.md")]
    pub mod job_queue {}
}
