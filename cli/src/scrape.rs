//! What servers say on `/metrics`: sums of one metric over all its labels. A server that does not answer counts nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Sum of `metric` over all servers and labels.
pub fn sum(addresses: &[String], metric: &str) -> f64 {
    sums(addresses, [metric])[0]
}

/// Sums of several metrics over all servers and labels, each server asked once.
pub fn sums<const N: usize>(addresses: &[String], metrics: [&str; N]) -> [f64; N] {
    let pages: Vec<String> = addresses.iter().filter_map(|a| page(a).ok()).collect();
    metrics.map(|metric| pages.iter().map(|text| sum_of(text, metric)).sum())
}

/// Largest sum of `metric` of one server.
pub fn largest(addresses: &[String], metric: &str) -> f64 {
    addresses.iter().filter_map(|a| page(a).ok()).map(|text| sum_of(&text, metric)).fold(0.0, f64::max)
}

/// Sum of the lines of `metric` with `label` of each server; 0 for one that does not answer.
pub fn each(addresses: &[String], metric: &str, label: &str) -> Vec<f64> {
    let of = |address: &String| page(address).map_or(0.0, |text| sum_with(&text, metric, label));
    addresses.iter().map(of).collect()
}

fn page(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn sum_of(text: &str, metric: &str) -> f64 {
    sum_with(text, metric, "")
}

fn sum_with(text: &str, metric: &str, label: &str) -> f64 {
    let value = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(metric)?;
        (rest.starts_with('{') || rest.starts_with(' ')).then(|| rest.rsplit(' ').next()?.parse().ok())?
    };
    text.lines().filter(|line| line.contains(label)).filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_one() {
        let text = "# HELP a_total x\na_total{op=\"put\"} 3\na_total{op=\"get\"} 4\na_total_other 9\nb 1\n";
        assert_eq!(sum_of(text, "a_total"), 7.0);
        assert_eq!(sum_of(text, "b"), 1.0);
        assert_eq!(sum_with(text, "a_total", "\"get\""), 4.0);
    }
}
