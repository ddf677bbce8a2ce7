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
    /// Without input it gives out what it holds back because an output was full. When the data is
    /// complete, it takes whatever follows and ignores it.
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt>;

    /// Whether the data may end here.
    fn is_complete(&self) -> bool;
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

    /// Decodes into the spare capacity of `output`.
    pub(super) fn pull(&mut self, output: &mut Vec<u8>) -> Result<Pulled, BackendError> {
        pull(&mut self.layers, output)
    }
}

fn pull(layers: &mut [Layer], output: &mut Vec<u8>) -> Result<Pulled, BackendError> {
    let Some((layer, below)) = layers.split_last_mut() else {
        return Ok(Pulled::End);
    };
    loop {
        if layer.step(output)? {
            return Ok(Pulled::Bytes);
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
        match pull(below, &mut between)? {
            Pulled::Bytes => layer.input.bytes = between.into(),
            Pulled::End => layer.input.ended = true,
            Pulled::Starved => return Ok(Pulled::Starved),
        }
    }
}

impl Layer {
    /// Decodes some, and tells whether that gave any bytes.
    fn step(&mut self, output: &mut Vec<u8>) -> Result<bool, BackendError> {
        let input = &mut self.input.bytes;
        if input.is_empty() && !self.holds_back {
            return Ok(false);
        }
        let before = output.len();
        let taken = match self.decoder.step(input, output) {
            Ok(taken) => taken,
            Err(corrupt) => return Err(self.corrupt(corrupt)),
        };
        let gave = output.len() > before;
        if taken == 0 && !gave && !input.is_empty() {
            // A codec that neither takes nor gives would be asked for ever.
            return Err(self.corrupt(Corrupt::default()));
        }
        self.begun |= taken > 0;
        self.holds_back = output.len() == output.capacity();
        let _ = input.split_to(taken);
        Ok(gave)
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

    fn corrupt(&self, corrupt: Corrupt) -> BackendError {
        let why = format!("the body is not valid {} data", self.coding.name());
        let error = BackendError::new(ErrorKind::Decode, why);
        match corrupt.cause {
            Some(cause) => error.with_source(cause),
            None => error,
        }
    }
}
