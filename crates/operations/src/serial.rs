//! Generation of serials.

use tegata_common::serial::Serial;

/// Generates a serial from 160 bits of the operating system's random number generator.
pub fn new_serial() -> Result<Serial, getrandom::Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)?;
    Ok(Serial::from_random(bytes))
}
