//! Free ports on loopback for servers that need to know each other's ports before they start.

use crate::Outcome;
use parking_lot::Mutex;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};
use strandline_types::{ErrorClass, Failure};

/// Below the range from which systems take the ports of outgoing connections, so that none of them is in the way.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// Where this process looks next: two clusters of one process that start at the same moment never choose the same port.
static NEXT: Mutex<Option<u32>> = Mutex::new(None);

/// `count` different ports that are free now, and that this process was not given lately. They are free again when this
/// returns: a server that starts on one may still meet another program there, and reports it.
pub fn free(count: usize) -> Outcome<Vec<u16>> {
    let mut next = NEXT.lock();
    let start = next.unwrap_or_else(any_start);
    let span = u32::from(RANGE.end - RANGE.start);
    let mut held = Vec::with_capacity(count);
    for step in 0..span {
        if held.len() == count {
            break;
        }
        // Always below 32 000, so the cast keeps every digit.
        let port = RANGE.start + (start.wrapping_add(step) % span) as u16;
        *next = Some(start.wrapping_add(step + 1) % span);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        let what = format!("fewer than {count} free ports");
        return Err(Failure::new(ErrorClass::Exhausted, what, format!("127.0.0.1:{RANGE:?}"), "stop other servers"));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Different for each process that begins at the same moment.
fn any_start() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.subsec_nanos() ^ std::process::id().wrapping_mul(7919)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_used() {
        let mut ports = free(20).unwrap();
        for port in &ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap();
        }
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn a_port_is_not_given_twice_though_nobody_listens_there_yet() {
        let first = free(50).unwrap();
        let second = free(50).unwrap();
        assert!(first.iter().all(|port| !second.contains(port)), "{first:?} {second:?}");
    }
}
