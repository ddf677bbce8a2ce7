//! Peers that speak TLS 1.1, which no library that one would want to depend on still does; as far as
//! clients have to listen to them.

use super::Script;

/// A fatal `protocol_version` alert in a record of TLS 1.1 (RFC 4346 section 7.2).
const ALERT: [u8; 7] = [0x15, 3, 2, 0, 2, 2, 70];

/// A `ServerHello` of TLS 1.1 (RFC 4346 section 7.4.1.3) up to its random number.
const HELLO: [u8; 11] = [0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];

/// No session, `TLS_RSA_WITH_AES_128_CBC_SHA`, no compression.
const HELLO_END: [u8; 4] = [0, 0, 0x2f, 0];

impl Script {
    /// A server that speaks TLS 1.1 only and says so: it answers any `ClientHello` with a
    /// `protocol_version` alert.
    ///
    /// ```
    /// use pr_testkit::{Script, ScriptedServer};
    ///
    /// for script in [Script::tls11_alert(), Script::tls11_server_hello()] {
    ///     let server = ScriptedServer::always(script);
    ///     let url = server.url("/").replace("http:", "https:");
    /// # let _ = url;
    /// }
    /// ```
    pub fn tls11_alert() -> Self {
        Self::new().expect_bytes(5).send(ALERT.to_vec()).close()
    }

    /// A server that speaks TLS 1.1 whatever it is offered: it answers any `ClientHello` with a
    /// `ServerHello` of that version, and then says nothing.
    pub fn tls11_server_hello() -> Self {
        let random = [0x5a; 32];
        let hello = [&HELLO[..], &random, &HELLO_END].concat();
        Self::new().expect_bytes(5).send(hello).stall()
    }
}
