//! The bytes behind the version: small bodies as they are, large ones compressed. Names repeat, so a report of ten thousand
//! log streams takes little more than its values.

use std::borrow::Cow;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Bodies from here on are compressed.
pub(crate) const COMPRESSED_FROM_BYTES: usize = 64 << 10;
/// No LZ4 block says more bytes than this with one of its own.
const LZ4_RATIO_MAX: usize = 255;

/// Appends a body.
pub(crate) fn write(out: &mut Vec<u8>, body: &[u8]) -> Result<(), String> {
    if body.len() < COMPRESSED_FROM_BYTES {
        out.push(PLAIN);
        out.extend_from_slice(body);
        return Ok(());
    }
    let bytes = u32::try_from(body.len()).map_err(|_| format!("it has {} bytes", body.len()))?;
    out.push(LZ4);
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(&lz4_flex::block::compress(body));
    Ok(())
}

/// The body in what stands behind a version. No more memory is taken than the bytes can fill.
pub(crate) fn read(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    match bytes.split_first() {
        Some((&PLAIN, body)) => Ok(Cow::Borrowed(body)),
        Some((&LZ4, rest)) => {
            let (length, block) = rest.split_first_chunk().ok_or("it is cut off")?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > block.len().saturating_mul(LZ4_RATIO_MAX) {
                return Err(format!("{} compressed bytes cannot be {length}", block.len()));
            }
            let body = lz4_flex::block::decompress(block, length).map_err(|e| e.to_string())?;
            if body.len() == length { Ok(Cow::Owned(body)) } else { Err("its length is another".to_owned()) }
        }
        Some((form, _)) => Err(format!("its form {form} is not known")),
        None => Err("it is cut off".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_bodies_come_back_and_repetition_costs_little() {
        for bytes in [0, 1, COMPRESSED_FROM_BYTES - 1, COMPRESSED_FROM_BYTES, 3 << 20] {
            let (body, mut out) =
                (b"log_stream_id ".iter().copied().cycle().take(bytes).collect::<Vec<_>>(), Vec::new());
            write(&mut out, &body).unwrap();
            assert_eq!(read(&out).unwrap(), body);
            assert!(bytes < COMPRESSED_FROM_BYTES || out.len() < bytes / 20, "{bytes} as {}", out.len());
        }
    }

    #[test]
    fn what_is_no_body_is_refused_before_memory_is_taken() {
        let mut whole = Vec::new();
        write(&mut whole, &vec![7; COMPRESSED_FROM_BYTES]).unwrap();
        for n in 0..whole.len() {
            assert!(read(&whole[..n]).is_err(), "cut at {n}");
        }
        let huge = [&[LZ4][..], &u32::MAX.to_le_bytes(), &[0; 100]].concat();
        assert!(read(&huge).unwrap_err().contains("cannot be"));
        let shorter = [&[LZ4][..], &(COMPRESSED_FROM_BYTES as u32 + 1).to_le_bytes(), &whole[5..]].concat();
        assert!(read(&shorter).is_err());
        assert!(read(&[9, 1]).unwrap_err().contains("form 9"));
    }
}
