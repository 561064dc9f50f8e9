//! The benchmarks' ratios: a cost in parts of a floor's or a peer's in the same run.
//!
//! With `--short` a benchmark does less, and its ratios are compared with recorded ones: so none of them
//! rots, and no change makes something several times slower without being seen.

/// The ratios of the short forms in the dev profile (`.ci/run benchmarks`), 2026-11-28. Those of the
/// functions' release builds are in docs/PERFORMANCE.md.
const RECORDED: &[(&str, f64)] = &[
    ("gateway: records", 1.3),
    ("gateway: records, written", 5.8),
    ("lookup: records", 1.2),
    ("lookup: records, written", 4.4),
    ("cdn: records, JSON", 3.8),
    ("cdn: records, W3C", 3.2),
    ("renewal: planning", 4.2),
    ("usage: the roll-up", 14.0),
    ("lookup: CPU to first answer, ms", 3.6),
    ("lookup: CPU per warm request, ms", 5.1),
    ("lookup: peak RSS, MB", 2.0),
];

/// How many times its recorded value a ratio may be: the machine and its other work are not the same.
const MARGIN: f64 = 3.0;

/// Whether this run is the short form.
pub fn is_short() -> bool {
    std::env::args().any(|argument| argument == "--short")
}

/// In the short form: prints a ratio beside the recorded one, and ends the program if it is above the
/// margin.
pub fn compare(name: &str, ratio: f64) {
    if !is_short() {
        return;
    }
    let recorded = RECORDED.iter().find(|(recorded, _)| *recorded == name);
    let (_, recorded) = recorded.expect("a ratio is recorded");
    println!("ratio of {name}: {ratio:.2}, recorded {recorded:.2}");
    assert!(
        ratio <= recorded * MARGIN,
        "{name}: {ratio:.2} is more than {MARGIN} times the recorded ratio"
    );
}
