//! How a request goes out, and what its peer may say meanwhile: ureq listens only when it has sent
//! everything.

use pr_core::{Delivery, Stage};
use ureq::unversioned::transport::Buffers;

use crate::{
    connection::Unsent,
    informational::{self, Verdict},
    socket::is_delay,
    transport::{Carrier, Passed, gone, ours},
};

/// Content that certainly fits into the buffer of a socket, in bytes.
const LITTLE: usize = 4 << 10;
/// How many times in a row a peer that has answered, though not with an error, may be found to take
/// nothing before it gets nothing more. It may wait for us to read its response first, which ureq
/// does when it has sent everything.
const MOST_DELAYS: u32 = 20;

/// What a peer says while it is sent a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// It has answered, and may listen all the same.
    Answer,
    /// It needs no more: it has answered with an error, which is a reason to cease sending (RFC 9112,
    /// section 9.5), or the connection is broken.
    Enough,
}

impl Carrier {
    /// Sends this part of the request.
    pub(crate) fn send(&mut self, output: &[u8]) -> Result<(), ureq::Error> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let part = self.parts_sent;
        self.parts_sent = part.saturating_add(1);
        self.exchange.reach(Stage::Sending);
        // The head comes first. A little content after it fits into the socket's buffer.
        if part == 0 || part == 1 && output.len() <= LITTLE {
            let head;
            let output = if part == 0 {
                let forwarded = connection.forwarding().map(|_| &self.key);
                head = self.withheld.complete(output, forwarded);
                &head
            } else {
                output
            };
            return match connection.send(output) {
                Ok(()) => {
                    self.exchange.has_written();
                    Ok(())
                }
                Err(unsent) => self.give_up(unsent),
            };
        }
        if part > 1 && !connection.is_silent() && self.listen()? == Heard::Enough {
            self.exchange.set_peer_deaf();
            return Ok(());
        }
        self.send_content(output)
    }

    /// Sends some of the body; the whole of it unless the peer has had enough.
    fn send_content(&mut self, mut content: &[u8]) -> Result<(), ureq::Error> {
        let mut delays = 0;
        loop {
            let connection = self.connection.as_mut().ok_or_else(gone)?;
            match connection.send_some(content) {
                Ok(()) => {
                    self.exchange.has_written();
                    return Ok(());
                }
                Err(unsent) if is_delay(&unsent.cause) => {
                    if unsent.written > 0 || unsent.in_part {
                        self.exchange.has_written();
                        delays = 0;
                    }
                    content = &content[unsent.written..];
                    delays += 1;
                    match self.listen()? {
                        Heard::Enough => break,
                        Heard::Answer if delays >= MOST_DELAYS => break,
                        Heard::Answer | Heard::Nothing => {}
                    }
                }
                Err(unsent) => return self.give_up(unsent),
            }
        }
        self.exchange.set_peer_deaf();
        Ok(())
    }

    /// What the peer has said by now while a body is sent to it. This does not wait.
    fn listen(&mut self) -> Result<Heard, ureq::Error> {
        loop {
            if !self.buffers.input().is_empty() {
                match self.pass_informational(false)? {
                    Passed::One => continue,
                    Passed::Unfinished => {}
                    Passed::None => match informational::verdict(self.buffers.input()) {
                        Some(Verdict::Refused) => return Ok(Heard::Enough),
                        Some(Verdict::Answered) => return Ok(Heard::Answer),
                        None => {}
                    },
                }
            }
            let free = self.buffers.head_append_buf(self.routes.limits.head);
            if free.is_empty() {
                return Ok(Heard::Enough);
            }
            let connection = self.connection.as_mut().ok_or_else(gone)?;
            match connection.receive_arrived(free) {
                // Nothing more can come, nor need anything more be sent. What there is to be said
                // of it, reading says again.
                Ok(0) => return Ok(Heard::Enough),
                Ok(count) => {
                    self.buffers.input_appended(count);
                    self.has_unseen = true;
                }
                Err(error) if is_delay(&error) => return Ok(Heard::Nothing),
                Err(_) => return Ok(Heard::Enough),
            }
        }
    }

    /// Goes on after a write that has failed, if there may be an answer all the same.
    fn give_up(&mut self, Unsent { cause, in_part, .. }: Unsent) -> Result<(), ureq::Error> {
        if in_part {
            self.exchange.has_written();
        }
        let is_ours = self.exchange.stopped().is_some();
        if is_ours || self.exchange.delivery() == Delivery::NotSent {
            return Err(ours(cause));
        }
        // A peer that has read enough may answer, and close the connection, before it has it all.
        // ureq does not look for an answer when a write has failed, so it is told that all is well;
        // if there is none, reading will fail.
        self.exchange.set_peer_deaf();
        Ok(())
    }
}
