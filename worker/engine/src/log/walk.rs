//! Walking a block file from a known state of the log: every group verified, what stops the walk named.

use super::block::offset_of;
use crate::error::corrupt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use strandline_format::palf::{GROUP_HEADER_BYTES, GroupHeader, GroupView, PalfError, PalfFault, Walk, next_group};
use strandline_types::limits::LOG_ENTRY_BODY_BYTES_MAX;
use strandline_types::{Lsn, PalfBase};

/// Read at once: larger than the largest group.
const WINDOW_BYTES: usize = 8 << 20;
const _: () = assert!(WINDOW_BYTES > LOG_ENTRY_BODY_BYTES_MAX * 2 + 4096);

/// What stands where a walk ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing: the file or the block ends.
    End,
    /// Bytes that are no whole group: the end of writes that did not finish.
    Torn,
}

/// An error of the log as an `io::Error` that says *corrupt*.
pub(super) fn corrupt_group(error: PalfError) -> io::Error {
    corrupt(error.to_string())
}

/// Walks from `base` to the end of its block, calling `see` for each group. Returns the state at the end. Below `durable`
/// every group has to be right; above it the walk may end before anything, but where the writer was only killed: then
/// before a group that the end of the file cuts off.
pub(super) fn block(
    file: &File,
    base: PalfBase,
    (durable, was_killed): (Lsn, bool),
    mut see: impl FnMut(&GroupView<'_>) -> io::Result<()>,
) -> io::Result<(PalfBase, Stop)> {
    let block_end = base.lsn.block_end();
    let in_file = file.metadata()?.len().saturating_sub(offset_of(base.lsn));
    let until = Lsn((base.lsn.0 + in_file).min(block_end.0));
    let mut base = base;
    let mut window = Vec::new();
    while base.lsn < until {
        let (from, at) = (base.lsn, offset_of(base.lsn));
        let bytes = (until.0 - from.0).min(WINDOW_BYTES as u64) as usize;
        window.resize(bytes, 0);
        file.read_exact_at(&mut window, at)?;
        match groups(&window, base, &mut see)? {
            (after, Ok(())) if after.lsn > from => base = after,
            (after, Err(fault)) if was_killed && after.lsn >= durable => {
                return Err(corrupt(format!(
                    "{fault}; it was written since the last start of this machine, and no kill leaves that"
                )));
            }
            (after, fault) => return judge(file, after, durable, until, fault.err()).map(|stop| (after, stop)),
        }
    }
    Ok((base, Stop::End))
}

/// Walks one window. The inner result tells what stopped it: the window's end or a bad group.
fn groups(
    window: &[u8],
    mut base: PalfBase,
    see: &mut impl FnMut(&GroupView<'_>) -> io::Result<()>,
) -> io::Result<(PalfBase, Result<(), PalfError>)> {
    let start = base.lsn;
    loop {
        let rest = &window[(base.lsn.0 - start.0) as usize..];
        match next_group(rest, base.lsn, Some(&base)) {
            Ok(Walk::Group(group)) => {
                see(&group)?;
                base = group.base_after();
                if group.end == start.block_end() {
                    return Ok((base, Ok(())));
                }
            }
            Ok(Walk::Partial) => return Ok((base, Ok(()))),
            Err(fault) => return Ok((base, Err(fault))),
        }
    }
}

/// Decides whether what stands at the end of a walk is a torn tail or damage. Above `durable` pages reach the disk in any
/// order: whole groups after a hole prove nothing there.
fn judge(file: &File, base: PalfBase, durable: Lsn, until: Lsn, fault: Option<PalfError>) -> io::Result<Stop> {
    if let Some(error) = &fault
        && matches!(error.fault, PalfFault::Fork { .. } | PalfFault::ScnOrder { .. })
    {
        return Err(corrupt_group(error.clone()));
    }
    if base.lsn >= durable {
        return Ok(Stop::Torn);
    }
    match group_after(file, base.lsn, until)? {
        None => Ok(Stop::Torn),
        Some(lsn) => {
            let what = fault.map_or_else(|| format!("log group at lsn {} is cut off", base.lsn), |e| e.to_string());
            Err(corrupt(format!("{what}, and the log goes on at lsn {lsn}")))
        }
    }
}

/// The first whole group header after `lsn` that says of itself that it belongs where it lies.
fn group_after(file: &File, lsn: Lsn, until: Lsn) -> io::Result<Option<Lsn>> {
    let mut rest = vec![0; (until.0 - lsn.0) as usize];
    file.read_exact_at(&mut rest, offset_of(lsn))?;
    let found = rest.windows(GROUP_HEADER_BYTES).enumerate().skip(1).find(|(at, window)| {
        window.starts_with(b"GR")
            && GroupHeader::decode(window).is_ok_and(|h| h.committed_end_lsn == lsn.advance(*at as u64))
    });
    Ok(found.map(|(at, _)| lsn.advance(at as u64)))
}
