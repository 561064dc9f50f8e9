use std::collections::BTreeMap;

use tegata_common::domain::BaseDomains;
use tegata_common::license::{License, Order, Plan};
use tegata_common::product::Catalogue;
use tegata_common::serial::Serial;

/// A licence of 50 users that is usable from 2017-10-03.
pub(crate) fn license(plan: Plan) -> License {
    let catalogue = serde_json::json!({
        "issuer": "https://license.example.com",
        "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } },
    });
    let catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    let order = Order {
        domain: BaseDomains::default()
            .canonicalize("example.cybozu.com")
            .unwrap(),
        customer: None,
        plan,
        edition: "standard".into(),
        users: 50,
        quotas: BTreeMap::new(),
        usable_from: "2017-10-03T10:00:00+09:00".parse().unwrap(),
    };
    let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap();
    License::issue(order, &catalogue.products[0], serial.hash()).unwrap()
}
