//! One test, four stores.

use std::time::Duration;

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// Turns each function into one test per store: `memory::NAME`, `sqlite::NAME`, `postgres::NAME` and `mysql::NAME`.
///
/// Each gets a fresh, initialized [`TestStore`](crate::TestStore) and two worker threads. A module holds one call with
/// all its functions, since the call makes one module per store.
///
/// ```
/// use resilient::{FunctionId, Store};
/// use resilient_tests::{TestStore, on_every_store};
///
/// on_every_store! {
///     /// Nothing is there before it was created.
///     async fn an_unknown_instance_is_not_found(store: TestStore) {
///         let found = store.get(&[FunctionId::new("Order", "1")]).await.expect("the store is there");
///         assert_eq!(found, [None]);
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_every_store {
    ($($(#[$attribute:meta])* async fn $name:ident($store:ident: TestStore) $body:block)+) => {
        $($(#[$attribute])* async fn $name($store: $crate::TestStore) $body)+
        $crate::on_every_store!(@tests memory Memory $($name)+);
        $crate::on_every_store!(@tests sqlite Sqlite $($name)+);
        $crate::on_every_store!(@tests postgres Postgres $($name)+);
        $crate::on_every_store!(@tests mysql MySql $($name)+);
    };
    (@tests $module:ident $kind:ident $($name:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(store) = $crate::open($crate::Kind::$kind).await {
                        $crate::in_time(super::$name(store)).await;
                    }
                }
            )+
        }
    };
}

/// Turns each function into one test per database, as [`on_every_store!`](crate::on_every_store) does: for what there is
/// not in memory.
#[macro_export]
macro_rules! on_every_database {
    ($($(#[$attribute:meta])* async fn $name:ident($store:ident: TestStore) $body:block)+) => {
        $($(#[$attribute])* async fn $name($store: $crate::TestStore) $body)+
        $crate::on_every_store!(@tests sqlite Sqlite $($name)+);
        $crate::on_every_store!(@tests postgres Postgres $($name)+);
        $crate::on_every_store!(@tests mysql MySql $($name)+);
    };
}

/// Fails a test that hangs, as two writers that wait for each other do.
pub async fn in_time(test: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(LIMIT, test).await;
    assert!(ended.is_ok(), "the test did not end within {LIMIT:?}");
}
