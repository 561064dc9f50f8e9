//! Latencies, as a histogram that can be summed over tenants and days.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A histogram of latencies in milliseconds.
///
/// Buckets are exact up to 999 ms, and above that rounded up to three significant digits. Stored as
/// the text `12:3 15:1`: three answers of 12 ms and one of 15 ms.
///
/// ```
/// use tegata_common::usage::Latencies;
///
/// let latencies: Latencies = serde_json::from_str(r#""12:3 15:1""#)?;
/// assert_eq!(latencies.percentile(50), Some(12));
/// assert_eq!(latencies.percentile(99), Some(15));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(BTreeMap<u32, u64>);

impl Latencies {
    /// Counts an answer.
    pub fn count(&mut self, milliseconds: u32) {
        *self.0.entry(bucket(milliseconds)).or_default() += 1;
    }

    /// Adds another histogram.
    pub fn add(&mut self, other: &Self) {
        for (bucket, number) in &other.0 {
            *self.0.entry(*bucket).or_default() += number;
        }
    }

    /// A percentile in milliseconds, by the nearest-rank method. `None` if the histogram is empty.
    pub fn percentile(&self, percent: u8) -> Option<u32> {
        let total: u64 = self.0.values().sum();
        // The nearest rank: of 100 answers, the 99th is p99.
        let rank = (total * u64::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        self.0.iter().find_map(|(bucket, number)| {
            seen += number;
            (seen >= rank).then_some(*bucket)
        })
    }
}

fn bucket(milliseconds: u32) -> u32 {
    let mut unit = 1;
    while milliseconds.div_ceil(unit) > 999 {
        unit *= 10;
    }
    milliseconds.div_ceil(unit).saturating_mul(unit)
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for (bucket, number) in &self.0 {
            let blank = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{blank}{bucket}:{number}");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pairs = text.split_whitespace().map(|pair| {
            let (bucket, number) = pair.split_once(':')?;
            Some((bucket.parse().ok()?, number.parse().ok()?))
        });
        let histogram: Option<_> = pairs.collect();
        histogram
            .map(Self)
            .ok_or_else(|| de::Error::custom("expected latencies such as 12:3 15:1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_exact_below_a_second() {
        for (milliseconds, expected) in [
            (0, 0),
            (1, 1),
            (999, 999),
            (1000, 1000),
            (1001, 1010),
            (29_999, 30_000),
            (u32::MAX, u32::MAX),
        ] {
            assert_eq!(bucket(milliseconds), expected);
        }
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), None);
        for milliseconds in 1..=100 {
            latencies.count(milliseconds);
        }
        assert_eq!(latencies.percentile(50), Some(50));
        assert_eq!(latencies.percentile(99), Some(99));
        assert_eq!(latencies.percentile(100), Some(100));
        assert_eq!(latencies.percentile(0), Some(1));
        let mut other = Latencies::default();
        other.count(5000);
        latencies.add(&other);
        assert_eq!(latencies.percentile(100), Some(5000));
        let json = serde_json::to_string(&latencies).unwrap();
        assert_eq!(serde_json::from_str::<Latencies>(&json).unwrap(), latencies);
    }
}
