//! The product catalogue.

use serde::Serialize;
use tegata_common::product::{Catalogue, Product, ProductSlug};
use tegata_common::revision::Revision;
use tegata_storage::licenses::Licenses;
use tegata_storage::{Key, Versioned};

use crate::{Caller, Difference, Error, differences};

/// How a product in the file compares with the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductState {
    /// The catalogue has the same product.
    Unchanged,
    /// The catalogue does not have the product.
    New,
    /// The catalogue has the product with other values.
    Changed,
}

impl ProductState {
    /// The state as a word in output: `unchanged`, `new`, `changed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::New => "new",
            Self::Changed => "changed",
        }
    }
}

/// A product of a file, compared with the catalogue.
#[derive(Debug)]
pub struct PlannedProduct {
    /// How it compares with the catalogue. It is written unless it is unchanged.
    pub state: ProductState,
    /// The fields that would change.
    pub differences: Vec<Difference>,
    /// Whether the kintone plug-in ids, `without_serial` or a link change. Existing licences keep the old
    /// values until `tegata license update-plugin-ids`.
    pub outdates_licenses: bool,
    /// The product as stated in the file.
    pub product: Product,
    before: Option<Revision>,
}

/// The products of a file, compared with the catalogue.
#[derive(Debug)]
pub struct PlannedCatalogue {
    /// The products, in the order of the file.
    pub products: Vec<PlannedProduct>,
}

/// The result of applying a file of products.
#[derive(Debug, Serialize)]
pub struct CatalogueReport {
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The products, in the order of the file.
    pub products: Vec<ProductReport>,
}

/// The result for one product.
#[derive(Debug, Serialize)]
pub struct ProductReport {
    pub product: ProductSlug,
    /// How it compared with the catalogue before the write.
    pub state: ProductState,
    /// The fields that changed, or would change.
    pub differences: Vec<Difference>,
}

/// Compares the products of a file with the catalogue.
pub async fn apply(licenses: &Licenses, catalogue: Catalogue) -> Result<PlannedCatalogue, Error> {
    check_plugin_ids(licenses, &catalogue).await?;
    let mut products = Vec::new();
    for product in catalogue.products {
        let key = Key::product(&product.slug);
        let before: Option<Versioned<Product>> = licenses.table().get(&key).await?;
        let current = before.as_ref().map(|before| &before.value);
        let differences = differences(current, &product)?;
        products.push(PlannedProduct {
            state: match (current, differences.is_empty()) {
                (_, true) => ProductState::Unchanged,
                (None, _) => ProductState::New,
                (Some(_), _) => ProductState::Changed,
            },
            differences,
            outdates_licenses: current.is_some_and(|current| {
                current.kintone_plugin_ids != product.kintone_plugin_ids
                    || current.policy.without_serial != product.policy.without_serial
                    || current.policy.support != product.policy.support
                    || current.policy.purchase_url != product.policy.purchase_url
            }),
            product,
            before: before.map(|before| before.revision),
        });
    }
    Ok(PlannedCatalogue { products })
}

/// Rejects a kintone plug-in id that belongs to a product outside the file. (An id used twice in
/// the file is rejected when the file is parsed.)
async fn check_plugin_ids(licenses: &Licenses, catalogue: &Catalogue) -> Result<(), Error> {
    let is_in_file = |slug: &ProductSlug| {
        let mut products = catalogue.products.iter();
        products.any(|product| product.slug == *slug)
    };
    for stored in licenses.products().await? {
        let other = stored.value;
        if is_in_file(&other.slug) {
            continue;
        }
        for product in &catalogue.products {
            let mut ids = product.kintone_plugin_ids.iter();
            if ids.any(|id| other.kintone_plugin_ids.contains(id)) {
                return Err(Error::PluginIdTaken {
                    product: product.slug.clone(),
                    other: other.slug,
                });
            }
        }
    }
    Ok(())
}

impl PlannedCatalogue {
    /// Writes the products that differ. Does nothing in a dry run.
    pub async fn carry_out(
        self,
        licenses: &Licenses,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<CatalogueReport, Error> {
        let mut products = Vec::new();
        for planned in self.products {
            let product = planned.product;
            if planned.state != ProductState::Unchanged && !dry_run {
                let key = Key::product(&product.slug);
                let before = planned.before.as_ref();
                let act = caller.change("apply");
                let put = licenses.table().put(&key, before, &product, &act).await;
                put.map_err(|error| Error::NotApplied {
                    product: product.slug.clone(),
                    error,
                })?;
            }
            products.push(ProductReport {
                product: product.slug,
                state: planned.state,
                differences: planned.differences,
            });
        }
        Ok(CatalogueReport { dry_run, products })
    }
}

/// Lists the catalogue.
pub async fn list(licenses: &Licenses) -> Result<Vec<Product>, Error> {
    let products = licenses.products().await?.into_iter();
    Ok(products.map(|stored| stored.value).collect())
}
