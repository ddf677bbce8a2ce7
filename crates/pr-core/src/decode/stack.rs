//! Codings on top of each other, decoded in pieces: nothing is decoded before somebody asks for it,
//! and what lies between two of them is a small buffer.

use bytes::Bytes;

use super::coding::Coding;
use crate::{BackendError, BoxError, ErrorKind};

/// The state of one coding.
pub(super) trait Decoder: Send {
    /// Decodes from `input` into the spare capacity of `output`, which has some and does not grow,
    /// and tells how many bytes of the input it took.
    ///
    /// Without input it gives out what it holds back because an output was full. It stops where the
    /// data may end, and is not called again once it has ended.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt>;

    /// Whether the data may end here.
    fn is_complete(&self) -> bool;

    /// Whether the data ends here, whatever follows.
    fn has_ended(&self) -> bool;
}

/// The input is no valid coded data.
#[derive(Debug, Default)]
pub(super) struct Corrupt {
    /// What the codec says of it; the codecs quote no data.
    pub(super) cause: Option<BoxError>,
}

/// What asking for decoded bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulled {
    /// There are some in the output.
    Bytes,
    /// None until there is more input.
    Starved,
    /// None yet, but the work that was allowed is done.
    Busy,
    /// No more: the data is complete.
    End,
}

/// The codings of one body.
pub(super) struct Stack {
    /// The one that was applied last comes first: its input is what was received.
    layers: Vec<Layer>,
}

/// One coding with what it is still to decode.
struct Layer {
    coding: Coding,
    decoder: Box<dyn Decoder>,
    input: Input,
    /// Whether it has ever had input. Nothing at all is an empty body, not a truncated one.
    begun: bool,
    /// Whether its output was full, so that it may hold something back.
    holds_back: bool,
    /// Whether it has been complete since anything came out of the stack.
    was_complete: bool,
    /// How many bytes it may still take before more has to come out of the stack.
    credit: usize,
    /// How many bytes have come after its end.
    ignored: usize,
}

/// What a layer is still to decode.
#[derive(Default)]
struct Input {
    bytes: Bytes,
    ended: bool,
}

impl Stack {
    /// How much of an inner coding's input is decoded at a time.
    const BETWEEN: usize = 16 << 10;

    /// Of codings in the order in which they were applied.
    pub(super) fn new(codings: &[Coding]) -> Self {
        let layers = codings.iter().rev().map(|&coding| Layer {
            coding,
            decoder: coding.decoder(),
            input: Input::default(),
            begun: false,
            holds_back: false,
            was_complete: false,
            credit: Layer::CREDIT,
            ignored: 0,
        });
        Self {
            layers: layers.collect(),
        }
    }

    /// Gives it more to decode; `None` says that there is no more. Only when it is starved.
    pub(super) fn feed(&mut self, received: Option<Bytes>) {
        if let Some(first) = self.layers.first_mut() {
            match received {
                Some(bytes) => first.input.bytes = bytes,
                None => first.input.ended = true,
            }
        }
    }

    /// Whether the data of a layer has been complete since anything was decoded.
    pub(super) fn may_be_over(&self) -> bool {
        self.layers.iter().any(|layer| layer.was_complete)
    }

    /// Decodes into the spare capacity of `output`, and tells how much work that was: the bytes that
    /// went into and came out of each layer, and [`Layer::STEP`] for each step. When it is `most` or
    /// more, it stops.
    pub(super) fn pull(
        &mut self,
        output: &mut Vec<u8>,
        most: usize,
    ) -> (Result<Pulled, BackendError>, usize) {
        let mut left = most;
        let pulled = pull(&mut self.layers, output, &mut left);
        if let Ok(Pulled::Bytes) = pulled {
            for layer in &mut self.layers {
                layer.earn(output.len());
            }
        }
        (pulled, most - left)
    }
}

fn pull(
    layers: &mut [Layer],
    output: &mut Vec<u8>,
    left: &mut usize,
) -> Result<Pulled, BackendError> {
    let Some((layer, below)) = layers.split_last_mut() else {
        return Ok(Pulled::End);
    };
    loop {
        if layer.step(output, left)? {
            return Ok(Pulled::Bytes);
        }
        if layer.is_over() {
            return Ok(Pulled::End);
        }
        if *left == 0 {
            return Ok(Pulled::Busy);
        }
        if !layer.input.bytes.is_empty() {
            continue;
        }
        if layer.input.ended {
            layer.end()?;
            return Ok(Pulled::End);
        }
        if below.is_empty() {
            return Ok(Pulled::Starved);
        }
        let mut between = Vec::with_capacity(Stack::BETWEEN);
        match pull(below, &mut between, left)? {
            Pulled::Bytes => layer.input.bytes = between.into(),
            Pulled::End => layer.input.ended = true,
            other => return Ok(other),
        }
    }
}

impl Layer {
    /// How much of its input is decoded at a time.
    const PIECE: usize = 64 << 10;
    /// What a step costs, in bytes, whatever it does.
    const STEP: usize = 256;
    /// How many bytes may follow the end of the data.
    const MOST_IGNORED: usize = 64 << 10;
    /// How many bytes it may take in a row while nothing comes out of the stack, counted as
    /// [`Self::WORTH`] says.
    ///
    /// Coded data is hardly larger than what it holds, so no honest body comes near this. What does
    /// is made of members without content, skipped frames or empty blocks, and on top of another
    /// coding a kilobyte of it can be gigabytes.
    const CREDIT: usize = 1 << 20;
    /// How many bytes of its input are paid for by each byte that comes out of the stack. Data that
    /// is flushed after every few bytes may be several times as large as what it holds.
    const WORTH: usize = 16;

    /// Something has come out of the stack.
    fn earn(&mut self, bytes: usize) {
        let earned = bytes.saturating_mul(Self::WORTH);
        self.credit = self.credit.saturating_add(earned).min(Self::CREDIT);
        self.was_complete = self.decoder.is_complete();
    }

    /// Whether so much follows the data that its end is not worth waiting for.
    fn is_over(&self) -> bool {
        self.ignored > Self::MOST_IGNORED
    }

    /// Decodes some, and tells whether that gave any bytes.
    fn step(&mut self, output: &mut Vec<u8>, left: &mut usize) -> Result<bool, BackendError> {
        let input = &mut self.input.bytes;
        if self.decoder.has_ended() {
            self.ignored = self.ignored.saturating_add(input.len());
            input.clear();
            return Ok(false);
        }
        if input.is_empty() && !self.holds_back {
            return Ok(false);
        }
        let before = output.len();
        let piece = &input[..input.len().min(Self::PIECE)];
        let taken = match self.decoder.step(piece, output) {
            Ok(taken) => taken,
            Err(corrupt) => return Err(self.corrupt(corrupt)),
        };
        let given = output.len() - before;
        *left = left.saturating_sub(taken + given + Self::STEP);
        self.was_complete |= self.decoder.is_complete();
        if taken == 0 && given == 0 && !input.is_empty() && !self.decoder.has_ended() {
            // A codec that neither takes nor gives would be asked for ever.
            return Err(self.corrupt(Corrupt::default()));
        }
        self.begun |= taken > 0;
        self.holds_back = output.len() == output.capacity();
        let _ = input.split_to(taken);
        self.credit = match self.credit.checked_sub(taken) {
            Some(credit) => credit,
            None => return Err(self.hollow()),
        };
        Ok(given > 0)
    }

    /// The data must be complete.
    fn end(&self) -> Result<(), BackendError> {
        if self.begun && !self.decoder.is_complete() {
            let name = self.coding.name();
            let why = format!("the body ends in the middle of its {name} data");
            return Err(BackendError::new(ErrorKind::Decode, why));
        }
        Ok(())
    }

    /// Too much of it gives nothing.
    fn hollow(&self) -> BackendError {
        let (name, most) = (self.coding.name(), Self::CREDIT);
        let why =
            format!("the body has {most} bytes of {name} data that decode to next to nothing");
        BackendError::new(ErrorKind::Limit, why)
    }

    fn corrupt(&self, corrupt: Corrupt) -> BackendError {
        let why = format!("the body is not valid {} data", self.coding.name());
        let error = BackendError::new(ErrorKind::Decode, why);
        match corrupt.cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}
