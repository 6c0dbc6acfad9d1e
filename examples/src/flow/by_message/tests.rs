//! Run by run, with the messages that have come by then: no database, no server, and no time that passes.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use resilient::Dep;

use super::*;
use crate::orders::{Customer, Product};
use crate::services::CallError;

/// Takes every command, and notes it.
#[derive(Default)]
struct Desk(Mutex<Vec<Command>>);

impl Desk {
    fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().iter().map(|command| command.call).collect()
    }

    fn transactions(&self) -> Vec<Uuid> {
        let mut transactions: Vec<_> =
            self.0.lock().unwrap().iter().filter_map(|command| command.transaction).collect();
        transactions.dedup();
        transactions
    }
}

#[async_trait]
impl Commands for Desk {
    async fn send(&self, command: Command) -> Result<(), CallError> {
        self.0.lock().unwrap().push(command);
        Ok(())
    }
}

fn order() -> Order {
    let customer = Customer { name: "Anna".to_owned(), email: "anna@example.org".to_owned() };
    let products = vec![Product { name: "Moka pot".to_owned(), quantity: 1, unit_price: 3_495 }];
    Order { id: "MK-1".to_owned(), customer, products }
}

/// One run, as the framework would begin it.
async fn run(
    desk: &Arc<Desk>,
    scrapbook: &mut Scrapbook<OrderScrapbook>,
    context: &Context,
) -> Result<Uuid, String> {
    let desk: Dep<dyn Commands> = (Arc::clone(desk) as Arc<dyn Commands>).into();
    process_order_by_message(order(), scrapbook, context, desk).await.map_err(|err| err.to_string())
}

#[track_caller]
fn assert_waits(outcome: Result<Uuid, String>) {
    let waits = outcome.unwrap_err();
    assert!(waits.starts_with("what is waited for is not there yet"), "{waits}");
}

#[tokio::test]
async fn an_order_goes_on_with_every_answer() {
    let (desk, mut scrapbook) = (Arc::new(Desk::default()), Scrapbook::default());
    let context = Context::test();
    assert_waits(run(&desk, &mut scrapbook, &context).await);
    assert_eq!(desk.calls(), [Call::Reserve]);

    let context = context.next_run().with_message(FundsReserved {}).with_message(ProductsShipped {});
    assert_waits(run(&desk, &mut scrapbook, &context).await);
    assert_eq!(scrapbook.shipping, WorkStatus::Completed);

    let context = context.next_run().with_message(ConfirmationSent {});
    assert_waits(run(&desk, &mut scrapbook, &context).await);
    let context = context.next_run().with_message(FundsCaptured {});
    let transaction = run(&desk, &mut scrapbook, &context).await.unwrap();
    assert_eq!(desk.transactions(), [transaction]);
    assert_eq!(desk.calls().iter().filter(|call| **call == Call::Ship).count(), 1);
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let context = Context::test()
        .with_message(FundsCaptured {})
        .with_message(ProductsShipped {})
        .with_message(ConfirmationSent {})
        .with_message(FundsReserved {});
    let desk = Arc::new(Desk::default());
    run(&desk, &mut Scrapbook::default(), &context).await.unwrap();
    assert_eq!(desk.calls(), [Call::Reserve, Call::Ship, Call::Capture, Call::Confirm]);
}

#[tokio::test]
async fn a_declined_payment_ends_the_order() {
    let declined = || FundsDeclined { reason: "no cover".to_owned() };
    let desk = Arc::new(Desk::default());
    let context = Context::test().with_message(declined());
    let failure = run(&desk, &mut Scrapbook::default(), &context).await.unwrap_err();
    assert_eq!(failure, "the payment provider has declined: no cover");
    assert_eq!(desk.calls(), [Call::Reserve]);

    let context = Context::test().with_message(FundsReserved {}).with_message(ProductsShipped {});
    let context = context.with_message(ConfirmationSent {}).with_message(declined());
    let failure = run(&desk, &mut Scrapbook::default(), &context).await.unwrap_err();
    assert_eq!(failure, "the payment provider has declined: no cover");
}

#[tokio::test(start_paused = true)]
async fn a_logistics_that_never_answers_is_asked_twice_and_left_to_a_person() {
    let (desk, mut scrapbook) = (Arc::new(Desk::default()), Scrapbook::default());
    let mut context = Context::test().with_message(FundsReserved {});
    for deadlines in [2, 4] {
        let failure = run(&desk, &mut scrapbook, &context).await.unwrap_err();
        assert!(failure.contains("repair the order with `--shipped` or `--retry`"), "{failure}");
        assert_eq!((scrapbook.shipping, scrapbook.unanswered), (WorkStatus::Started, deadlines));
        // The person says that it is to be tried again.
        scrapbook.shipping = WorkStatus::NotStarted;
        context = context.next_run();
    }
    let asked = [Call::Reserve, Call::Ship, Call::Ship];
    assert_eq!(desk.calls(), [asked, asked].concat());

    // The person found the parcel on its way.
    scrapbook.shipping = WorkStatus::Completed;
    let context = context.with_message(FundsCaptured {}).with_message(ConfirmationSent {});
    run(&desk, &mut scrapbook, &context).await.unwrap();
    assert_eq!(desk.calls()[6..], [Call::Reserve, Call::Capture, Call::Confirm]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_is_as_good() {
    let (desk, mut scrapbook) = (Arc::new(Desk::default()), Scrapbook::default());
    let context = Context::test().with_message(FundsReserved {});
    run(&desk, &mut scrapbook, &context).await.unwrap_err();
    let context = context.next_run().with_message(ProductsShipped {});
    assert_waits(run(&desk, &mut scrapbook, &context).await);
    assert_eq!(scrapbook.shipping, WorkStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn wherever_it_crashes_an_order_goes_on() {
    // It notes that the first deadline has passed, and then the second.
    for crash_at_save in 1..=2 {
        let desk = Arc::new(Desk::default());
        let mut scrapbook = Scrapbook::<OrderScrapbook>::default();
        let context = Context::test().with_message(FundsReserved {}).failing_at_save(crash_at_save);
        run(&desk, &mut scrapbook, &context).await.unwrap_err();

        let mut scrapbook = scrapbook.after_crash();
        let context = context.next_run().with_message(ProductsShipped {});
        let context = context.with_message(FundsCaptured {}).with_message(ConfirmationSent {});
        let transaction = run(&desk, &mut scrapbook, &context).await.unwrap();
        assert_eq!(desk.transactions(), [transaction], "crash at save {crash_at_save}");
    }
}
