//! One step of inflating (RFC 1951), for the two codings that are built on it.

use flate2::{Decompress, FlushDecompress, Status};

use super::stack::Corrupt;

/// How many bytes of the input were taken, and whether the data has ended.
pub(super) fn inflate(
    state: &mut Decompress,
    input: &[u8],
    output: &mut Vec<u8>,
) -> Result<(usize, bool), Corrupt> {
    let before = state.total_in();
    let status = state
        .decompress_vec(input, output, FlushDecompress::None)
        .map_err(|error| Corrupt {
            cause: Some(error.into()),
        })?;
    // A step takes no more than the input, so this is exact.
    let taken = usize::try_from(state.total_in() - before).unwrap_or(input.len());
    Ok((taken, status == Status::StreamEnd))
}
