//! How much memory this process has, as Linux counts it.

/// What it has now, in MB.
pub fn resident_mb() -> f64 {
    status_mb("VmRSS:")
}

/// The most that it has had since [`forget_peak`], in MB.
pub fn peak_mb() -> f64 {
    status_mb("VmHWM:")
}

/// Begins anew to look for the peak, where the system lets it.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    kilobytes / 1024.0
}
