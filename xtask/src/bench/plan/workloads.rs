//! The rows of the plan: every workload with its subjects.

use super::{Program, Protocol, Rounds, Subject, Target, Tool, Workload};
use crate::bench::model::Measure;

const fn rust(name: &'static str) -> Subject {
    Subject {
        name,
        program: Program::Rust,
        share: 1,
        quick: true,
    }
}

/// One that `--quick` leaves out.
const fn detail(mut subject: Subject) -> Subject {
    subject.quick = false;
    subject
}

const fn tool(name: &'static str, tool: Tool, share: u64) -> Subject {
    Subject {
        name,
        program: Program::Tool(tool),
        share,
        quick: true,
    }
}

const fn python(name: &'static str, source: &'static str, share: u64) -> Subject {
    Subject {
        name,
        program: Program::Python(source),
        share,
        quick: true,
    }
}

/// What most workloads have in common: small HTTP/2 requests on a single thread.
const SMALL_H2: Workload = Workload {
    name: "",
    title: "",
    what: "",
    kind: "small",
    protocol: Protocol::H2,
    tls: false,
    multi_threaded: false,
    target: Target::Small,
    requests: 200_000,
    quick_requests: 40_000,
    warm_up: 2_000,
    concurrency: 100,
    measure: Measure::Requests,
    reference: "reqwest",
    rounds: Rounds::Asked,
    python: false,
    subjects: &[],
};

/// Everything that is compared.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "http2",
        title: "HTTP/2, small responses, one thread",
        what: "Many small answers from one peer inside a data center, on a current-thread runtime: \
               what a request costs when nothing but the client is in the way.",
        subjects: &[
            rust("facade-h2"),
            detail(rust("facade-h2-4conn")),
            detail(rust("backend-h2")),
            rust("raw-h2"),
            tool("h2load", Tool::H2load, 1),
            rust("reqwest"),
            detail(rust("hyper-util")),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "http2-multi",
        title: "HTTP/2, small responses, default runtime",
        what: "The same from a program that starts with a plain #[tokio::main], as most do: now the \
               threads of the runtime meet on the connections.",
        multi_threaded: true,
        requests: 100_000,
        subjects: &[
            rust("facade-h2"),
            detail(rust("facade-h2-4conn")),
            detail(rust("raw-h2")),
            rust("reqwest"),
            detail(rust("hyper-util")),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "http2-tls",
        title: "HTTP/2 over TLS, small responses",
        what: "The same over TLS, with HTTP/2 agreed on by ALPN: what most of the web looks like.",
        tls: true,
        requests: 100_000,
        quick_requests: 30_000,
        subjects: &[
            rust("facade-h2"),
            detail(rust("raw-h2")),
            tool("h2load", Tool::H2load, 1),
            rust("reqwest"),
            detail(tool("curl --parallel", Tool::CurlParallel, 10)),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "http1",
        title: "HTTP/1.1, small responses",
        what: "Peers that speak nothing newer, over as many connections as there are requests on \
               their way. System calls are nine tenths of it, so nobody can be far ahead.",
        protocol: Protocol::H1,
        requests: 100_000,
        quick_requests: 30_000,
        subjects: &[
            rust("facade-hyper"),
            detail(rust("facade-h2")),
            detail(rust("backend-hyper")),
            rust("hyper-conn-http1"),
            tool("wrk", Tool::Wrk, 1),
            rust("reqwest"),
            detail(rust("hyper-util")),
            detail(tool("curl --parallel", Tool::CurlParallel, 10)),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "blocking",
        title: "Blocking, HTTP/1.1, small responses",
        what: "Programs without an async runtime: a thread for each request on its way.",
        protocol: Protocol::H1,
        requests: 60_000,
        quick_requests: 10_000,
        reference: "ureq",
        subjects: &[
            rust("facade-blocking"),
            detail(rust("backend-blocking")),
            rust("ureq"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "blocking-multi",
        title: "Blocking, HTTP/1.1, small responses, all cores",
        what: "The same where threads have cores to run on, and with the default concurrency of 20. \
               On a single core, a hundred threads leave the caller a hundredth of it.",
        protocol: Protocol::H1,
        multi_threaded: true,
        requests: 60_000,
        quick_requests: 0,
        concurrency: 20,
        reference: "ureq",
        subjects: &[
            rust("facade-blocking"),
            rust("backend-blocking"),
            rust("ureq"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "latency",
        title: "Latency-bound, HTTP/2",
        what: "A slow peer: every answer takes 50 ms, 1,000 requests are on their way, 10,000 in \
               all. With nothing lost between two requests that takes half a second.",
        kind: "latency",
        target: Target::Delayed,
        requests: 10_000,
        quick_requests: 10_000,
        concurrency: 1_000,
        measure: Measure::Time,
        rounds: Rounds::AtMost { full: 5, quick: 2 },
        subjects: &[rust("facade-h2"), rust("raw-h2"), rust("reqwest")],
        ..SMALL_H2
    },
    Workload {
        name: "latency-http1",
        title: "Latency-bound, HTTP/1.1",
        what: "The same over 1,000 connections of HTTP/1.1.",
        kind: "latency",
        protocol: Protocol::H1,
        target: Target::Delayed,
        requests: 10_000,
        quick_requests: 0,
        concurrency: 1_000,
        measure: Measure::Time,
        subjects: &[
            rust("facade-hyper"),
            rust("facade-blocking"),
            rust("hyper-conn-http1"),
            rust("reqwest"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "million",
        title: "A million requests from an iterator",
        what: "A crawl or an export: requests made lazily, outcomes dropped as they come. What \
               counts is that memory does not grow with the number of requests.",
        kind: "million",
        requests: 1_000_000,
        quick_requests: 1_000_000,
        measure: Measure::Memory,
        rounds: Rounds::AtMost { full: 2, quick: 1 },
        subjects: &[rust("facade-h2"), detail(rust("reqwest"))],
        ..SMALL_H2
    },
    Workload {
        name: "download",
        title: "One large download, HTTP/1.1",
        what: "1 GiB, read as it comes and never held.",
        kind: "download",
        protocol: Protocol::H1,
        target: Target::Large,
        requests: 1,
        quick_requests: 1,
        warm_up: 0,
        concurrency: 1,
        measure: Measure::Bytes,
        reference: "curl",
        subjects: &[
            rust("facade-h2"),
            detail(rust("facade-hyper")),
            detail(rust("facade-blocking")),
            tool("curl", Tool::Curl, 1),
            detail(rust("reqwest")),
            detail(rust("ureq")),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "download-http2",
        title: "One large download, HTTP/2",
        what: "1 GiB over one stream: flow control decides.",
        kind: "download",
        target: Target::Large,
        requests: 1,
        quick_requests: 1,
        warm_up: 0,
        concurrency: 1,
        measure: Measure::Bytes,
        reference: "curl",
        subjects: &[
            rust("facade-h2"),
            tool("curl", Tool::Curl, 1),
            detail(rust("reqwest")),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "upload",
        title: "One large upload, HTTP/1.1",
        what: "1 GiB, made while it is sent and never held. The server reads and hashes every byte, \
               and is the slower side.",
        kind: "upload",
        protocol: Protocol::H1,
        target: Target::Upload,
        requests: 1,
        quick_requests: 0,
        warm_up: 0,
        concurrency: 1,
        measure: Measure::Bytes,
        reference: "curl",
        subjects: &[
            rust("facade-h2"),
            rust("facade-hyper"),
            rust("facade-blocking"),
            tool("curl", Tool::Curl, 1),
            rust("reqwest"),
            rust("ureq"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "upload-http2",
        title: "One large upload, HTTP/2",
        what: "The same over one stream of HTTP/2.",
        kind: "upload",
        target: Target::Upload,
        requests: 1,
        quick_requests: 0,
        warm_up: 0,
        concurrency: 1,
        measure: Measure::Bytes,
        reference: "curl",
        subjects: &[
            rust("facade-h2"),
            tool("curl", Tool::Curl, 1),
            rust("reqwest"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "origins",
        title: "Many origins over TLS",
        what: "200 origins with ten requests each: connecting, and the handshakes, are part of the \
               work.",
        kind: "origins",
        tls: true,
        target: Target::Origins,
        requests: 2_000,
        quick_requests: 0,
        warm_up: 0,
        subjects: &[
            rust("facade-h2"),
            rust("facade-hyper"),
            rust("facade-blocking"),
            rust("reqwest"),
            rust("ureq"),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "cold",
        title: "Cold start over TLS",
        what: "A client is made, sends one request and is dropped: what a short program or a \
               function in a cloud pays.",
        kind: "cold",
        tls: true,
        target: Target::EitherVersion,
        requests: 1,
        quick_requests: 1,
        warm_up: 0,
        concurrency: 1,
        measure: Measure::Time,
        rounds: Rounds::Times(4),
        subjects: &[
            rust("facade-h2"),
            detail(rust("facade-hyper")),
            detail(rust("facade-blocking")),
            rust("reqwest"),
            detail(rust("ureq")),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "python-http2",
        title: "Python clients, HTTP/2",
        what: "What somebody who comes from Python has today, next to ours.",
        requests: 100_000,
        quick_requests: 20_000,
        reference: "niquests",
        python: true,
        subjects: &[rust("facade-h2"), python("niquests", "niquests", 50)],
        ..SMALL_H2
    },
    Workload {
        name: "python-http2-tls",
        title: "Python clients, HTTP/2 over TLS",
        what: "The same over TLS, where fastreq finds HTTP/2 as well: it cannot be told that a peer \
               speaks it.",
        tls: true,
        requests: 100_000,
        quick_requests: 20_000,
        reference: "niquests",
        python: true,
        subjects: &[
            rust("facade-h2"),
            python("niquests", "niquests", 50),
            python("fastreq", "fastreq", 50),
        ],
        ..SMALL_H2
    },
    Workload {
        name: "python-http1",
        title: "Python clients, HTTP/1.1",
        what: "The same for HTTP/1.1: asyncio next to our async backend, threads next to our \
               blocking one.",
        protocol: Protocol::H1,
        requests: 50_000,
        quick_requests: 20_000,
        reference: "aiohttp",
        python: true,
        subjects: &[
            rust("facade-hyper"),
            rust("facade-blocking"),
            python("aiohttp", "aiohttp", 5),
            python("requests", "requests", 20),
        ],
        ..SMALL_H2
    },
];
