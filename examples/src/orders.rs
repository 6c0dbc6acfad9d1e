//! What is ordered: read from JSON lines, one order each.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

/// The orders that come with the demo, inside the binary, so that it runs in any directory.
const BUILT_IN: &str = include_str!("../orders.jsonl");
const BUILT_IN_NAME: &str = "orders.jsonl";

/// An order as it is stored: the parameter of `process_order`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) customer: Customer,
    pub(crate) products: Vec<Product>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) email: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) quantity: u32,
    /// In cents: money is counted, not approximated.
    pub(crate) unit_price: u64,
}

impl Order {
    /// The price of everything, in cents.
    pub(crate) fn total(&self) -> u64 {
        self.products
            .iter()
            .map(|product| product.unit_price.saturating_mul(product.quantity.into()))
            .fold(0, u64::saturating_add)
    }
}

/// The first `wanted` orders of `input` (of the built-in file, when there is none), or all of them.
///
/// More than the file holds go round again under new ids: `MK-0001-2` is the second order of that content.
pub(crate) fn load(input: Option<&Path>, wanted: Option<usize>) -> anyhow::Result<Vec<Order>> {
    let orders = match input {
        None => parse(BUILT_IN_NAME, BUILT_IN)?,
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read the orders in {}", path.display()))?;
            parse(&path.display().to_string(), &text)?
        }
    };
    let wanted = wanted.unwrap_or(orders.len());
    Ok(rounds(&orders).take(wanted).collect())
}

fn rounds(orders: &[Order]) -> impl Iterator<Item = Order> {
    (1_usize..).flat_map(move |round| {
        orders.iter().map(move |order| match round {
            1 => order.clone(),
            _ => Order { id: format!("{}-{round}", order.id), ..order.clone() },
        })
    })
}

/// Reads one order per line; `file` is named in errors, together with the line number.
fn parse(file: &str, text: &str) -> anyhow::Result<Vec<Order>> {
    let mut seen = HashMap::new();
    let mut orders = Vec::new();
    for (line, number) in text.lines().zip(1_usize..).filter(|(line, _)| !line.trim().is_empty()) {
        let order = parse_line(line).with_context(|| format!("{file}:{number}: not an order"))?;
        if let Some(earlier) = seen.insert(order.id.clone(), number) {
            bail!(
                "{file}:{number}: order `{}` was already given in line {earlier}; ids are unique",
                order.id
            );
        }
        orders.push(order);
    }
    ensure!(!orders.is_empty(), "{file}: no order in it; write one JSON object per line");
    Ok(orders)
}

fn parse_line(line: &str) -> anyhow::Result<Order> {
    let order: Order = serde_json::from_str(line)?;
    ensure!(!order.id.is_empty(), "`id` is empty; give every order its own");
    ensure!(!order.products.is_empty(), "order `{}` has no products; give at least one", order.id);
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"A","customer":{"name":"N","email":"e"},"products":[{"name":"P","quantity":2,"unit_price":150}]}"#;

    #[test]
    fn the_built_in_file_holds_two_hundred_orders() {
        let orders = load(None, None).unwrap();
        assert_eq!(orders.len(), 200);
        assert_eq!(orders[0].id, "MK-0001");
        assert_eq!(orders[199].id, "MK-0200");
    }

    #[test]
    fn more_orders_than_the_file_has_get_ids_of_their_own() {
        let orders = load(None, Some(401)).unwrap();
        assert_eq!(orders[200].id, "MK-0001-2");
        assert_eq!(orders[400].id, "MK-0001-3");
        assert_eq!(orders[400].products, orders[0].products);
    }

    #[test]
    fn the_total_counts_quantities() {
        assert_eq!(parse("f", GOOD).unwrap()[0].total(), 300);
    }

    #[test]
    fn a_malformed_line_is_named() {
        let err = parse("orders.jsonl", &format!("{GOOD}\n\n{{\"id\":3}}\n")).unwrap_err();
        assert!(format!("{err:#}").starts_with("orders.jsonl:3: not an order: invalid type"), "{err:#}");
    }

    #[test]
    fn an_id_given_twice_names_both_lines() {
        let err = parse("orders.jsonl", &format!("{GOOD}\n{GOOD}\n")).unwrap_err();
        assert_eq!(err.to_string(), "orders.jsonl:2: order `A` was already given in line 1; ids are unique");
    }

    #[test]
    fn an_empty_file_says_what_belongs_in_it() {
        let err = parse("none.jsonl", "\n").unwrap_err();
        assert_eq!(err.to_string(), "none.jsonl: no order in it; write one JSON object per line");
    }
}
