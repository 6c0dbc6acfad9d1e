//! The companies that the order samples talk to. Each of them writes down in the ledger what it has really done.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Stage;

/// What a customer has ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its number, chosen by the shop.
    pub id: String,
    /// Who pays, and gets the parcel.
    pub customer: String,
    /// In crowns.
    pub total: u32,
}

impl Order {
    /// The order of all order samples.
    pub fn sample() -> Self {
        Self { id: "MK-4321".to_owned(), customer: "Anna".to_owned(), total: 100 }
    }
}

/// Moves money in two steps, each under the id that the shop has chosen: what it has done for an id it does not do again.
#[derive(Debug)]
pub struct PaymentProvider(pub Arc<Stage>);

impl PaymentProvider {
    /// Reserves money of the customer.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it does not answer.
    pub async fn reserve(&self, transaction: Uuid, order: &Order) -> io::Result<()> {
        let Order { total, customer, .. } = order;
        self.0.write_down_once(&format!("reserved {total} of {customer} ({})", short(transaction))).await?;
        Ok(())
    }

    /// Takes the money that was reserved.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it does not answer.
    pub async fn capture(&self, transaction: Uuid) -> io::Result<()> {
        self.0.write_down_once(&format!("captured ({})", short(transaction))).await?;
        Ok(())
    }
}

/// Sends a parcel for every call: it has no way to see that two calls are about the same one.
#[derive(Debug)]
pub struct Logistics(pub Arc<Stage>);

impl Logistics {
    /// Sends a parcel, and answers with its number.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it does not answer.
    pub async fn ship(&self, order: &Order) -> io::Result<String> {
        let parcel = format!("parcel {}", self.0.count("parcel")? + 1);
        self.0.write_down(&format!("{parcel} to {}", order.customer)).await?;
        // The parcel has left the house; its number has not arrived in the shop.
        self.0.killed_here().await;
        Ok(parcel)
    }
}

/// Writes to the customer.
#[derive(Debug)]
pub struct Email(pub Arc<Stage>);

impl Email {
    /// Tells the customer that the parcel is on its way.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when it does not answer.
    pub async fn confirm(&self, order: &Order) -> io::Result<()> {
        self.0.write_down(&format!("mail to {}", order.customer)).await
    }
}

fn short(transaction: Uuid) -> String {
    format!("transaction {:.8}", transaction.to_string())
}
