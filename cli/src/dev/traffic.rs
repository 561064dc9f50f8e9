//! A week of made-up traffic, so that there is something to look at: the lines that the doors
//! would have written.

use fastrand::Rng;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use license_lookup::access_line::{AccessLine, SerialCheck};

use super::log_delivery::{CdnLine, GatewayLine, LogSource, LoggedLine};

/// Days that are made up, today included.
const DAYS: i32 = 7;

/// Tenants by name; nobody's.
const TENANTS: [&str; 36] = [
    "hokkaido",
    "aomori",
    "iwate",
    "miyagi",
    "akita",
    "yamagata",
    "fukushima",
    "ibaraki",
    "tochigi",
    "gunma",
    "saitama",
    "chiba",
    "tokyo",
    "kanagawa",
    "niigata",
    "toyama",
    "ishikawa",
    "fukui",
    "yamanashi",
    "nagano",
    "gifu",
    "shizuoka",
    "aichi",
    "mie",
    "shiga",
    "kyoto",
    "osaka",
    "hyogo",
    "nara",
    "wakayama",
    "tottori",
    "shimane",
    "okayama",
    "hiroshima",
    "yamaguchi",
    "okinawa",
];

/// Requests by the hour of the day, in parts of a thousand.
const HOURS: [u32; 24] = [
    4, 2, 2, 2, 3, 6, 14, 38, 78, 104, 98, 82, 56, 92, 96, 88, 80, 62, 38, 22, 14, 9, 6, 4,
];

/// A tenant, and what is special about it.
struct Tenant {
    name: String,
    /// Requests on a working day.
    busy: u32,
    code: &'static str,
    /// Days after a release at which it has the new version.
    lag: i64,
}

/// Days from one release to the next.
const RELEASES: i64 = 14;
const USER_AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Edg/131.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 Version/18.1 Safari/605.1",
];

/// The lines of the last seven days, up to now, day by day. The same days give the same lines.
pub(super) fn week(now: Timestamp, zone: &TimeZone) -> anyhow::Result<Vec<Vec<LoggedLine>>> {
    let today = zone.to_datetime(now).date();
    let mut days = Vec::new();
    for number in 0..DAYS {
        let date = today.checked_sub((DAYS - 1 - number).days())?;
        let mut lines = Vec::new();
        for product in ["sheet", "gantt"] {
            day(date, product, zone, &mut lines)?;
        }
        lines.retain(|line| line.at <= now);
        lines.sort_by_key(|line| line.at);
        days.push(lines);
    }
    Ok(days)
}

fn day(
    date: Date,
    product: &'static str,
    zone: &TimeZone,
    lines: &mut Vec<LoggedLine>,
) -> anyhow::Result<()> {
    let midnight = date.to_zoned_datetime(zone.clone())?.timestamp();
    let is_weekend = matches!(date.weekday().to_monday_one_offset(), 6 | 7);
    for tenant in tenants(product) {
        // By name and day, so that a day does not depend on those before it.
        let seed = format!("{product} {} {date}", tenant.name);
        let mut random = Rng::with_seed(seed.bytes().fold(7, |seed: u64, byte| {
            seed.wrapping_mul(31).wrapping_add(u64::from(byte))
        }));
        let busy = if is_weekend {
            tenant.busy / 8
        } else {
            tenant.busy
        };
        let requests = random.u32(busy * 7 / 10..=busy * 13 / 10 + 1);
        for request in 0..requests {
            let at = midnight + instant_of_day(&mut random);
            let (name, _) = tenant.name.split_once('.').unwrap_or_default();
            let id = format!("sample-{date}-{product}-{name}-{request}");
            ask(&tenant, product, date, &id, at, &mut random, lines);
        }
    }
    Ok(())
}

fn tenants(product: &str) -> impl Iterator<Item = Tenant> {
    let share = if product == "sheet" { 1 } else { 3 };
    let known = TENANTS
        .iter()
        .enumerate()
        .step_by(share)
        .map(|(number, name)| {
            let code = match number {
                9 => "GRACE",
                16 => "EXPIRED",
                30 => "SUSPENDED",
                _ => "VALID",
            };
            Tenant {
                name: format!("sample-{name}.cybozu.com"),
                busy: [64, 18, 33, 9, 41, 12, 25][number % 7],
                code,
                lag: i64::try_from(number * 5 % 11).unwrap_or(0),
            }
        });
    let strangers = ["trial-ended", "copied-app", "old-tenant"].map(|name| Tenant {
        name: format!("{name}.cybozu.com"),
        busy: 6,
        code: "NOT_FOUND",
        lag: 3 * RELEASES,
    });
    known.chain(strangers)
}

fn instant_of_day(random: &mut Rng) -> SignedDuration {
    let mut at = random.u32(0..HOURS.iter().sum());
    let mut hour = 0;
    for (number, weight) in (0..).zip(HOURS) {
        if at < weight {
            hour = number;
            break;
        }
        at -= weight;
    }
    SignedDuration::from_millis(hour * 3_600_000 + random.i64(0..3_600_000))
}

fn ask(
    tenant: &Tenant,
    product: &str,
    date: Date,
    id: &str,
    at: Timestamp,
    random: &mut Rng,
    lines: &mut Vec<LoggedLine>,
) {
    // By the date alone: the same day gives the same lines, whenever they are made up.
    let day = i64::from(date.day_of_year()) + 366 * i64::from(date.year() - 2026);
    let version = format!(
        "1.{}.0",
        (day - tenant.lag).div_euclid(RELEASES).rem_euclid(100)
    );
    let version = version.as_str();
    let is_throttled = random.u16(..) < 60;
    let has_failed = random.u16(..) < 90;
    let (code, status, reason) = match tenant.code {
        _ if has_failed => ("UNAVAILABLE", 503, Some("timeout")),
        "NOT_FOUND" => ("NOT_FOUND", 404, Some("no_license")),
        code => (code, 200, None),
    };
    // Most answers are quick, some are not.
    let latency = 6 + random.u32(0..9) + random.u32(0..40).saturating_sub(32).pow(2);
    let latency = if has_failed { 1750 } else { latency };
    let gateway = GatewayLine {
        request_id: id,
        at,
        route_key: "GET /v1/products/{product}/domains/{domain}/license",
        status: if is_throttled { 429 } else { status },
        latency_ms: u128::from(if is_throttled { 1 } else { latency }),
        was_integrated: !is_throttled,
    };
    lines.push(LoggedLine {
        door: LogSource::Gateway,
        at,
        text: gateway.text(),
    });
    if is_throttled {
        return;
    }
    let mut line = AccessLine::at(at + SignedDuration::from_millis(3));
    line.requested_at = Some(format!("{at:.3}"));
    line.request_id = Some(id.to_owned());
    line.method = Some("GET");
    line.product = Some(product.to_owned());
    line.domain = Some(tenant.name.clone());
    line.version = Some(version.to_owned());
    line.code = code;
    line.status = status;
    line.reason = reason.map(str::to_owned);
    line.serial = Some(SerialCheck::Absent);
    line.source = Some("103.79.14.0/24".to_owned());
    line.database_ms = Some(f64::from(latency - 4));
    lines.push(LoggedLine {
        door: LogSource::Lookup,
        at,
        text: line.to_string(),
    });
    if random.u8(..) < 90 && code != "NOT_FOUND" {
        let path = format!("/{product}/{version}/{product}.min.js");
        let file = CdnLine {
            request_id: &format!("{id}-file"),
            at,
            path: &path,
            status: 200,
            bytes: 48_213,
            latency_ms: u128::from(random.u32(1..30)),
            address: "203.0.113.7",
            user_agent: USER_AGENTS[usize::from(random.u8(..)) % USER_AGENTS.len()],
            referer: &format!("https://{}/k/1/", tenant.name),
        };
        lines.push(LoggedLine {
            door: LogSource::Cdn,
            at,
            text: file.text(),
        });
    }
}
