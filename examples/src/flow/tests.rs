//! A crash at any point is a unit test: no database, no server, no framework.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use resilient::Dep;

use super::*;
use crate::orders::{Customer, Product};

/// All services at once; they note what they are asked for, and logistics answers as told.
#[derive(Default)]
struct Companies {
    calls: Mutex<Vec<(&'static str, Option<Uuid>)>>,
    answer_of_logistics: Mutex<Option<CallError>>,
}

impl Companies {
    fn shipping_answers(error: CallError) -> Arc<Self> {
        Arc::new(Self { answer_of_logistics: Mutex::new(Some(error)), ..Self::default() })
    }

    fn note(&self, call: &'static str, transaction: Option<Uuid>) {
        self.calls.lock().unwrap().push((call, transaction));
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().iter().map(|(call, _)| *call).collect()
    }

    fn count(&self, call: &str) -> usize {
        self.calls().into_iter().filter(|made| *made == call).count()
    }

    fn transactions(&self) -> Vec<Uuid> {
        let mut transactions: Vec<_> = self.calls.lock().unwrap().iter().filter_map(|(_, id)| *id).collect();
        transactions.dedup();
        transactions
    }
}

#[async_trait]
impl PaymentProvider for Companies {
    async fn reserve(&self, transaction: Uuid, _: &Order) -> Result<(), CallError> {
        self.note("reserve", Some(transaction));
        Ok(())
    }

    async fn capture(&self, transaction: Uuid, _: &Order) -> Result<(), CallError> {
        self.note("capture", Some(transaction));
        Ok(())
    }
}

#[async_trait]
impl Logistics for Companies {
    async fn ship(&self, _: &Order) -> Result<(), CallError> {
        self.note("ship", None);
        self.answer_of_logistics.lock().unwrap().take().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Email for Companies {
    async fn confirm(&self, _: &Order) -> Result<(), CallError> {
        self.note("confirm", None);
        Ok(())
    }
}

fn order() -> Order {
    let customer = Customer { name: "Anna".to_owned(), email: "anna@example.org".to_owned() };
    let products = vec![Product { name: "Moka pot".to_owned(), quantity: 1, unit_price: 3_495 }];
    Order { id: "MK-1".to_owned(), customer, products }
}

/// One run, as the framework would begin it.
async fn run(companies: &Arc<Companies>, scrapbook: &mut Scrapbook<OrderScrapbook>) -> Result<Uuid, String> {
    let bank: Dep<dyn PaymentProvider> = (Arc::clone(companies) as Arc<dyn PaymentProvider>).into();
    let logistics: Dep<dyn Logistics> = (Arc::clone(companies) as Arc<dyn Logistics>).into();
    let email: Dep<dyn Email> = (Arc::clone(companies) as Arc<dyn Email>).into();
    process_order(order(), scrapbook, bank, logistics, email).await.map_err(|err| err.to_string())
}

#[tokio::test]
async fn an_order_goes_its_way() {
    let companies = Arc::new(Companies::default());
    let mut scrapbook = Scrapbook::default();
    let transaction = run(&companies, &mut scrapbook).await.unwrap();
    assert_eq!(companies.calls(), ["reserve", "ship", "capture", "confirm"]);
    assert_eq!(companies.transactions(), [transaction]);
    assert_eq!(scrapbook.shipping, WorkStatus::Completed);
}

#[tokio::test]
async fn wherever_it_crashes_an_order_is_shipped_and_paid_at_most_once() {
    for crash_at_save in 1..=3 {
        let companies = Arc::new(Companies::default());
        let mut scrapbook = Scrapbook::<OrderScrapbook>::default().failing_at_save(crash_at_save);
        run(&companies, &mut scrapbook).await.unwrap_err();

        let mut scrapbook = scrapbook.after_crash();
        let second = run(&companies, &mut scrapbook).await;
        assert!(companies.count("ship") <= 1, "crash at save {crash_at_save}");
        assert_eq!(companies.transactions().len(), 1, "crash at save {crash_at_save}");
        match second {
            Ok(_) => assert_eq!(companies.count("capture"), 1),
            Err(failure) => {
                assert_eq!(crash_at_save, 3, "{failure}");
                assert!(failure.starts_with("logistics was asked to ship order `MK-1`"), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn a_refused_shipment_is_tried_again_later() {
    let refusal = CallError::NotDone { service: "logistics", reason: "busy".to_owned() };
    let companies = Companies::shipping_answers(refusal);
    let mut scrapbook = Scrapbook::default();
    run(&companies, &mut scrapbook).await.unwrap_err();
    assert_eq!(scrapbook.shipping, WorkStatus::NotStarted);

    run(&companies, &mut scrapbook).await.unwrap();
    assert_eq!(companies.count("ship"), 2);
    assert_eq!(companies.transactions().len(), 1);
}

#[tokio::test]
async fn a_shipment_without_an_answer_is_left_to_a_person() {
    let silence = CallError::Unknown { service: "logistics", source: "connection reset".into() };
    let companies = Companies::shipping_answers(silence);
    let mut scrapbook = Scrapbook::default();
    for _ in 0..2 {
        let failure = run(&companies, &mut scrapbook).await.unwrap_err();
        assert!(failure.contains("repair the order with `--shipped` or `--retry`"), "{failure}");
    }
    assert_eq!(companies.calls(), ["reserve", "ship", "reserve"]);

    // The person found the parcel on its way.
    scrapbook.shipping = WorkStatus::Completed;
    run(&companies, &mut scrapbook).await.unwrap();
    assert_eq!(companies.count("ship"), 1);
    assert_eq!(companies.count("capture"), 1);
}
