//! Why an operation was not carried out.

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_archive::objects::ObjectsError;
use tegata_common::calendar::OutOfRange;
use tegata_common::customer::{CustomerId, EmailAddress, NotificationPreferencesError};
use tegata_common::domain::Domain;
use tegata_common::keys::RegisterError;
use tegata_common::license::LicenseError;
use tegata_common::product::ProductSlug;
use tegata_common::release::RolloutError;
use tegata_common::version::PluginVersion;
use tegata_notices::channels::news::NewsError;
use tegata_notices::gate::GateRefusal;
use tegata_signing::SigningError;
use tegata_storage::TableError;

use crate::NoSigner;
use crate::contract::WriteError;
use crate::notices::NoticeError;

/// Why an operation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A domain has no licence of a product.
    #[error("{domain} has no licence of {product}")]
    NoLicense {
        /// The domain.
        domain: Domain,
        /// The product.
        product: ProductSlug,
    },
    /// A contract has left a domain, and works under others.
    #[error("the contract left {domain} at {at}; it is at {domains}")]
    LeftDomain {
        /// The domain.
        domain: Domain,
        /// When the contract left it, in the product's zone.
        at: String,
        /// The domains that it stays at, separated by commas.
        domains: String,
    },
    /// A licence's history has no such version.
    #[error("{domain}, {product}: no version {version}")]
    NoVersion {
        /// The domain.
        domain: Domain,
        /// The product.
        product: ProductSlug,
        /// The version.
        version: u64,
    },
    /// A version is of a contract that the domain had before.
    #[error("version {version} is of another contract, which has left {domain}")]
    OtherContract {
        /// The domain.
        domain: Domain,
        /// The version.
        version: u64,
    },
    /// A licence has a history without a readable version.
    #[error("no revision of it can be read")]
    NoReadableVersion,
    /// The catalogue does not have a product.
    #[error(
        "product {product} is not in the catalogue, which has {known}; `tegata product apply` adds \
         to it"
    )]
    NoProduct {
        /// The product.
        product: ProductSlug,
        /// The products that it has, separated by commas.
        known: String,
    },
    /// There is no such customer.
    #[error("there is no customer {0}; see `tegata customer list`")]
    NoCustomer(CustomerId),
    /// There is such a customer already.
    #[error("customer {0} is there already")]
    CustomerExists(CustomerId),
    /// A customer has no such contact.
    #[error("{customer} has no contact {}", .email.as_str())]
    NoContact {
        /// The customer.
        customer: CustomerId,
        /// The address.
        email: EmailAddress,
    },
    /// A contact that mail reaches.
    #[error("mail reaches {}, as far as is known", .0.as_str())]
    Reachable(EmailAddress),
    /// Preferences that contradict each other.
    #[error(transparent)]
    Preferences(#[from] NotificationPreferencesError),
    /// A kintone plug-in id of a file that another product has.
    #[error(
        "products.{product}: {other}, which is in the catalogue, has one of its kintone plug-in \
         ids; put {other} into the file too, without it"
    )]
    PluginIdTaken {
        /// The product of the file.
        product: ProductSlug,
        /// The product of the catalogue.
        other: ProductSlug,
    },
    /// A product of a file was not written, and neither were those behind it.
    #[error("{product} (those before it are applied)")]
    NotApplied {
        /// The product.
        product: ProductSlug,
        /// Why not.
        #[source]
        error: TableError,
    },
    /// A key was created, and possibly not registered.
    #[error("{made} was made; `tegata key list` tells whether it is registered")]
    NotRegistered {
        /// The key.
        made: String,
        /// What went wrong.
        #[source]
        error: Box<Error>,
    },
    /// Leases that a key signed may be in caches.
    #[error(
        "plug-ins may have leases of key {kid} in their cache until {until:.0}; retire it after \
         that, or at once with --force if it is compromised"
    )]
    KeyInCaches {
        /// The key.
        kid: String,
        /// Until when.
        until: Timestamp,
    },
    /// Leases that a key signed are served.
    #[error(
        "{leases} leases that are served are signed with key {kid}; first run `tegata license \
         re-sign --all --signed-with {kid}`"
    )]
    KeyInUse {
        /// The key.
        kid: String,
        /// The number of the leases.
        leases: usize,
    },
    /// The current release of a product is signed with a key.
    #[error(
        "the current release of {product} is signed with key {kid}; first sign it with the active \
         key: `tegata publish current {product} {version}` with the same options as before"
    )]
    KeySignedRelease {
        /// The key.
        kid: String,
        /// The product.
        product: ProductSlug,
        /// The version.
        version: PluginVersion,
    },
    /// The catalogue does not have a product.
    #[error("there is no product {0}")]
    UnknownProduct(ProductSlug),
    /// A product that is not in the catalogue, and has no usage.
    #[error("there is no product {0}, and no usage of one; see `tegata product list`")]
    NoUsage(ProductSlug),
    /// The slug whose files would be the news page's.
    #[error("a product named news has no files on the CDN: they would be the news page's")]
    NewsProduct,
    /// A version is not on the CDN.
    #[error(
        "{product} {version} is not on the CDN: tegata publish files {product} {version} DIRECTORY"
    )]
    NotOnCdn {
        /// The product.
        product: ProductSlug,
        /// The version.
        version: String,
    },
    /// A version is published with other files.
    #[error(
        "{product} {version} is published with other files, and stays as it is: publish a new \
         version"
    )]
    PublishedOtherwise {
        /// The product.
        product: ProductSlug,
        /// The version.
        version: String,
    },
    /// A file of the CDN has another content.
    #[error("{0} is there with another content, and stays as it is: publish a new version")]
    OtherContent(String),
    /// A manifest on the CDN cannot be read.
    #[error("{path}")]
    Manifest {
        /// Its key.
        path: String,
        /// Why not.
        #[source]
        error: serde_json::Error,
    },
    /// An emergency without a reason.
    #[error("--emergency: say why")]
    EmptyEmergency,
    /// Others make versions of a product current, again and again.
    #[error(
        "somebody else makes versions of {0} current at the same time; see `tegata publish status {0}`"
    )]
    CurrentChanges(ProductSlug),
    /// No version of a product was made current.
    #[error("no version of {0} is current: tegata publish current {0} VERSION")]
    NoCurrent(ProductSlug),
    /// A change of the rollout that makes no sense.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// A version may not become current yet.
    #[error(transparent)]
    GateRefusal(#[from] GateRefusal),
    /// An operation on a notice was rejected.
    #[error(transparent)]
    Notice(#[from] NoticeError),
    /// The news page was not written.
    #[error(transparent)]
    News(#[from] NewsError),
    /// The objects of the CDN or of the archive.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// A rule of the register of keys.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// An instant or a day that has to be today or later.
    #[error("{given} is in the past; today is {today}")]
    Past {
        /// What was given, in the product's zone.
        given: String,
        /// Today, in the product's zone.
        today: Date,
    },
    /// A day that has to be today or earlier.
    #[error("{given} is in the future; today is {today}")]
    Future {
        /// What was given.
        given: Date,
        /// Today, in the product's zone.
        today: Date,
    },
    /// A rule of the contract.
    #[error(transparent)]
    License(#[from] LicenseError),
    /// A date beyond the calendar.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A date or an instant that cannot be computed.
    #[error(transparent)]
    Calendar(#[from] jiff::Error),
    /// The contract was not written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The database.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is no key that signs.
    #[error(transparent)]
    NoSigner(#[from] NoSigner),
    /// The signature.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The operating system gave no random number.
    #[error(transparent)]
    Random(#[from] getrandom::Error),
    /// A value that cannot be compared, because it has no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// What a failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An argument has a value that is not accepted.
    Usage,
    /// Something that was named does not exist.
    NotFound,
    /// Somebody else wrote first; the same operation may be tried again.
    Conflict,
    /// Everything else.
    Failed,
}

impl Error {
    /// What the failure means to the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoLicense { .. }
            | Self::LeftDomain { .. }
            | Self::NoVersion { .. }
            | Self::NoProduct { .. }
            | Self::NoCustomer(_)
            | Self::NoContact { .. }
            | Self::Reachable(_)
            | Self::UnknownProduct(_)
            | Self::NoUsage(_)
            | Self::NotOnCdn { .. }
            | Self::NoCurrent(_)
            | Self::Register(RegisterError::Unknown(_))
            | Self::License(LicenseError::UnknownDomain(_) | LicenseError::NoQuota(_)) => {
                ErrorKind::NotFound
            }
            Self::Past { .. }
            | Self::Future { .. }
            | Self::Preferences(_)
            | Self::EmptyEmergency
            | Self::Rollout(_)
            | Self::License(
                LicenseError::Edition
                | LicenseError::Users
                | LicenseError::QuotaName(_)
                | LicenseError::TrialDays,
            ) => ErrorKind::Usage,
            Self::Table(TableError::Conflict)
            | Self::CurrentChanges(_)
            | Self::Write(WriteError::Table(TableError::Conflict)) => ErrorKind::Conflict,
            Self::NotApplied {
                error: TableError::Conflict,
                ..
            } => ErrorKind::Conflict,
            Self::NotRegistered { error, .. } => error.kind(),
            Self::Notice(error) => error.kind(),
            _ => ErrorKind::Failed,
        }
    }

    /// Whether somebody else wrote first.
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }
}
