//! The list of all cases.

mod work;
mod writes;

/// Expands to one test per promise of a store, in one module per group.
///
/// See [`conformance`](crate::conformance) for its argument. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
#[macro_export]
macro_rules! store_conformance {
    (@cases $open:tt $($group:ident { $($case:ident)+ })+) => {
        $(mod $group {
            #[allow(unused_imports, reason = "the expression that opens a store names what is in scope around")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    if let Some(store) = $crate::conformance::Opened::subject($open.await) {
                        $crate::conformance::in_time($crate::conformance::$group::$case(&store)).await;
                    }
                }
            )+
        })+
    };
    ($open:expr) => {
        $crate::__store_conformance_of_writes!($open);
        $crate::__store_conformance_of_work!($open);
    };
}
