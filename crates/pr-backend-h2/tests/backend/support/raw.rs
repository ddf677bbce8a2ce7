//! An HTTP/2 peer that does frame by frame what a test tells it to (RFC 9113, section 4.1).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const HTTP_1_1_REQUIRED: u32 = 13;

/// `:status: 200` by HPACK's static table.
pub(crate) const STATUS_200: &[u8] = &[0x88];
/// `:status: 103` as a literal.
pub(crate) const STATUS_103: &[u8] = &[0x08, 3, b'1', b'0', b'3'];
/// `:status: 413` as a literal.
pub(crate) const STATUS_413: &[u8] = &[0x08, 3, b'4', b'1', b'3'];

/// Where a test's peers are reached.
pub(crate) struct Listener(TcpListener);

/// One connection, on the side of the server.
pub(crate) struct Peer(TcpStream);

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The error code of a `RST_STREAM`.
    pub(crate) fn code(&self) -> u32 {
        assert_eq!(self.kind, RST_STREAM, "{self:?}");
        u32::from_be_bytes(self.payload[..4].try_into().unwrap())
    }
}

impl Listener {
    pub(crate) async fn bind() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0.local_addr().unwrap())
    }

    /// The next connection as bytes.
    pub(crate) async fn accept_bytes(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }

    /// The next connection, whose preface has been read and answered with these settings.
    pub(crate) async fn accept(&self, settings: &[(u16, u32)]) -> Peer {
        let mut peer = self.accept_silently().await;
        peer.settings(settings).await;
        peer
    }

    /// The same, where a first request of the client has been answered, so that the client knows
    /// the settings when it sends the next one.
    pub(crate) async fn accept_and_answer(&self, settings: &[(u16, u32)]) -> Peer {
        let mut peer = self.accept(settings).await;
        let first = peer.request().await;
        peer.answer(first).await;
        peer
    }

    /// The next connection, whose preface has been read and not answered.
    pub(crate) async fn accept_silently(&self) -> Peer {
        let mut io = self.accept_bytes().await;
        io.set_nodelay(true).unwrap();
        let mut preface = [0; 24];
        io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        Peer(io)
    }
}

impl Peer {
    pub(crate) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        assert!(
            self.try_write(kind, flags, stream, payload).await,
            "the client closed the connection"
        );
    }

    /// Whether the client still takes it.
    pub(crate) async fn try_write(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> bool {
        let length = u32::try_from(payload.len()).unwrap();
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.is_ok()
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        self.write(SETTINGS, 0, 0, &payload).await;
    }

    /// A head that ends the response.
    pub(crate) async fn answer(&mut self, stream: u32) {
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200)
            .await;
    }

    /// A head that a body follows.
    pub(crate) async fn head(&mut self, stream: u32, status: &[u8]) {
        self.write(HEADERS, END_HEADERS, stream, status).await;
    }

    pub(crate) async fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.write(DATA, if end { END_STREAM } else { 0 }, stream, bytes)
            .await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    pub(crate) async fn go_away(&mut self, last_stream: u32, code: u32) {
        let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
        self.write(GOAWAY, 0, 0, &payload).await;
    }

    pub(crate) async fn open_window(&mut self, stream: u32, bytes: u32) {
        self.write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
            .await;
    }

    /// The next frame; `None` when the client has closed the connection.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        if self.0.read_exact(&mut head).await.is_err() {
            return None;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        let frame = Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        };
        if frame.kind == SETTINGS && frame.flags & ACK == 0 {
            self.write(SETTINGS, ACK, 0, &[]).await;
        }
        Some(frame)
    }

    /// The next frame that belongs to a stream and is no mere credit.
    pub(crate) async fn read_stream(&mut self) -> Frame {
        loop {
            let frame = self.read().await.expect("the client closed the connection");
            if frame.stream != 0 && frame.kind != WINDOW_UPDATE {
                return frame;
            }
        }
    }

    /// The stream of the next request, whose head ends here.
    pub(crate) async fn request(&mut self) -> u32 {
        let frame = self.read_stream().await;
        assert_eq!(frame.kind, HEADERS, "{frame:?}");
        frame.stream
    }

    /// The streams of the next requests, in order, once so many have been sent to their ends.
    pub(crate) async fn whole_requests(&mut self, count: usize) -> Vec<u32> {
        let (mut begun, mut ended) = (Vec::new(), 0);
        while ended < count {
            let frame = self.read_stream().await;
            if frame.kind == HEADERS {
                begun.push(frame.stream);
            }
            ended += usize::from(frame.ends_stream());
        }
        assert_eq!(begun.len(), count);
        begun
    }

    /// Waits for a PING of the client's, and returns what answers it.
    pub(crate) async fn ping(&mut self) -> Vec<u8> {
        loop {
            let frame = self.read().await.expect("the client closed the connection");
            if frame.kind == PING && frame.flags & ACK == 0 {
                return frame.payload;
            }
        }
    }

    /// Answers a PING.
    pub(crate) async fn pong(&mut self, payload: &[u8]) {
        self.write(PING, ACK, 0, payload).await;
    }

    /// How many PINGs the client had written before it could answer to this moment.
    pub(crate) async fn pings_until_now(&mut self) -> usize {
        let (mut pings, mark) = (0, *b"mark....");
        self.write(PING, 0, 0, &mark).await;
        loop {
            let frame = self.read().await.expect("the client closed the connection");
            match (frame.kind, frame.flags & ACK) {
                (PING, 0) => pings += 1,
                (PING, _) if frame.payload == mark => return pings,
                _ => {}
            }
        }
    }

    /// All frames of streams that the client had written before it could answer to this moment:
    /// what has not come by then was held back.
    pub(crate) async fn frames_until_now(&mut self) -> Vec<Frame> {
        let mut seen = Vec::new();
        // The second round begins when the first has been answered, so that tasks of the client
        // which became runnable meanwhile have run.
        for round in 0..2_u64 {
            self.write(PING, 0, 0, &round.to_be_bytes()).await;
            loop {
                let frame = self.read().await.expect("the client closed the connection");
                if frame.kind == PING && frame.flags & ACK != 0 {
                    break;
                }
                if frame.stream != 0 && frame.kind != WINDOW_UPDATE {
                    seen.push(frame);
                }
            }
        }
        seen
    }

    /// Reads until the client closes; the frames of streams that came by then.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut seen = Vec::new();
        while let Some(frame) = self.read().await {
            if frame.stream != 0 && frame.kind != WINDOW_UPDATE {
                seen.push(frame);
            }
        }
        seen
    }
}
