//! The conformance suite itself: it selects the right cases, and its cases fail where they should.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use pr_core::{
    Backend, BackendError, Capabilities, Capability, ErrorKind, ExchangeRequest, ExchangeResponse,
    IncomingBody, OutgoingBody,
};
use pr_testkit::conformance::{self, CASES};
use pr_testkit::{MemoryBackend, content};

#[test]
fn the_macro_and_the_list_name_the_same_cases() {
    let made = pr_testkit::conformance_suite!(@list names ());
    let listed: Vec<_> = CASES.iter().map(conformance::Case::name).collect();
    assert_eq!(made.as_slice(), listed);
    assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), made.len());
}

#[test]
fn cases_are_selected_by_capability() {
    let all = Capabilities::of(Capability::ALL);
    let skipped: Vec<_> = CASES.iter().filter_map(|case| case.skip(all)).collect();
    let [only] = &skipped[..] else {
        panic!("{skipped:?}");
    };
    assert_eq!(
        only.to_string(),
        "http2_asked_of_an_http1_backend_warns_once is for backends that cannot do this: HTTP/2"
    );
    assert!(!only.is_missing());

    // Without any one capability, the cases that need it go, and no other.
    for missing in Capability::ALL {
        let rest: Vec<_> = Capability::ALL
            .iter()
            .copied()
            .filter(|one| one != missing)
            .collect();
        let rest = Capabilities::of(&rest);
        for case in CASES {
            let skip = case.skip(rest);
            if case.needs().contains(missing) {
                let skip = skip.unwrap_or_else(|| panic!("{case:?} is not skipped"));
                assert_eq!((skip.capability(), skip.is_missing()), (*missing, true));
            } else {
                assert_eq!(
                    skip.is_some(),
                    case.excludes().iter().any(|one| rest.has(*one))
                );
            }
        }
    }
}

#[test]
fn a_backend_that_can_do_nothing_still_has_a_contract() {
    let nothing: Vec<_> = conformance::selected(Capabilities::of(&[])).collect();
    assert_eq!(
        nothing,
        [
            "the_name_is_one_lower_case_word",
            "input_errors_are_typed",
            "what_the_backend_cannot_do_is_refused",
            "input_errors_tell_no_secret",
            "a_closed_backend_refuses",
        ]
    );
    for name in nothing {
        conformance::run(name, |_| {
            Arc::new(MemoryBackend::routes().with_capabilities(Capabilities::of(&[])))
        });
    }
}

/// The loopback server's routes in memory, with one defect in the request or in the response.
fn defective(
    spoil_request: impl Fn(&mut ExchangeRequest) + Send + Sync + 'static,
    spoil_response: impl Fn(&mut ExchangeResponse) + Send + Sync + 'static,
) -> MemoryBackend {
    let good = MemoryBackend::routes();
    let spoil_response = Arc::new(spoil_response);
    MemoryBackend::handling(move |mut request| {
        spoil_request(&mut request);
        let (good, spoil_response) = (good.clone(), spoil_response.clone());
        async move {
            let mut response = good.exchange(request).await?;
            spoil_response(&mut response);
            Ok::<_, BackendError>(response)
        }
    })
}

fn assert_fails(case: &str, backend: MemoryBackend) {
    let run = AssertUnwindSafe(|| conformance::run(case, move |_| Arc::new(backend.clone())));
    let outcome = catch_unwind(run);
    assert!(outcome.is_err(), "{case} did not notice the defect");
}

#[test]
fn requests_that_do_not_arrive_as_described_are_noticed() {
    let spoil = |spoil: fn(&mut ExchangeRequest)| defective(spoil, |_| {});
    let as_get = spoil(|request| request.method = Method::GET);
    assert_fails("methods_arrive", as_get.clone());
    assert_fails("temporary_redirects_keep_method_and_body", as_get);

    let cut = spoil(|request| {
        if let OutgoingBody::Full(bytes) = &mut request.body {
            bytes.truncate(100_000);
        }
    });
    assert_fails("bodies_arrive_byte_for_byte", cut);
    let emptied = spoil(|request| request.body = OutgoingBody::Empty);
    assert_fails("json_and_forms_arrive", emptied.clone());
    assert_fails("streamed_bodies_arrive", emptied.clone());
    assert_fails("streamed_bodies_of_the_wrong_length_are_errors", emptied);

    let merged = spoil(|request| {
        if let Some(first) = request.headers.get("x-two").cloned() {
            request.headers.insert("x-two", first);
        }
    });
    assert_fails("request_headers_arrive", merged);
    let own_host = spoil(|request| drop(request.headers.remove("host")));
    assert_fails("a_host_header_replaces_the_authority", own_host);
    let no_query = spoil(|request| {
        if let (false, Ok(uri)) = (
            request.uri.path() == "/redirect-to",
            "http://h/anything".parse(),
        ) {
            request.uri = uri;
        }
    });
    assert_fails("params_join_the_query", no_query.clone());
    assert_fails("concurrent_requests_have_one_outcome_each", no_query);

    let eager = spoil(|request| {
        let secret = HeaderValue::from_static("session=secret");
        request.headers.insert("cookie", secret);
    });
    assert_fails("credentials_stay_with_their_origin", eager);
}

#[test]
fn responses_that_do_not_arrive_as_sent_are_noticed() {
    let spoil = |spoil: fn(&mut ExchangeResponse)| defective(|_| {}, spoil);
    let always_ok = spoil(|response| response.status = http::StatusCode::OK);
    assert_fails("statuses_arrive", always_ok.clone());
    assert_fails("redirects_lead_to_the_final_url", always_ok.clone());
    assert_fails("redirects_can_be_declined", always_ok);

    let one_value_each = spoil(|response| {
        let mut kept = HeaderMap::new();
        for (name, value) in &response.headers {
            kept.insert(name, value.clone());
        }
        response.headers = kept;
    });
    assert_fails("every_header_value_arrives", one_value_each);

    let other_body = spoil(|response| response.body = IncomingBody::full(content::bytes(999)));
    assert_fails("bodies_of_every_size_arrive_whole", other_body.clone());
    assert_fails("responses_without_a_body_have_none", other_body.clone());
    assert_fails("text_and_json_are_read", other_body);

    let old = spoil(|response| response.version = http::Version::HTTP_10);
    assert_fails("a_response_says_where_it_came_from", old.clone());
    assert_fails("http2_asked_of_an_http1_backend_warns_once", old);
}

#[test]
fn broken_promises_are_noticed() {
    let named = MemoryBackend::routes().named("Two Words");
    assert_fails("the_name_is_one_lower_case_word", named);
    let hasty = MemoryBackend::always(pr_testkit::Answer::ok());
    assert_fails("no_answer_is_a_timeout", hasty.clone());
    assert_fails("a_slow_body_is_a_timeout", hasty.clone());
    assert_fails("a_slow_stream_is_a_timeout", hasty.clone());
    assert_fails("see_other_becomes_get", hasty.clone());
    assert_fails("endless_redirects_are_an_error", hasty.clone());
    assert_fails("a_one_shot_body_is_not_sent_again", hasty);
    // A backend that only says so has no connections.
    let capabilities = Capabilities::of(Capability::ALL);
    let pretender = MemoryBackend::routes().with_capabilities(capabilities);
    for case in [
        "sequential_requests_share_a_connection",
        "a_reset_lets_go_of_every_connection",
        "a_reset_disturbs_nothing_in_flight",
        "large_bodies_stream_at_bounded_memory",
        "bad_certificates_are_tls_errors",
        "http2_is_spoken_where_promised",
    ] {
        assert_fails(case, pretender.clone());
    }
}

#[test]
#[should_panic(expected = "there is no case \"no_such_case\"")]
fn an_unknown_case_is_a_failure() {
    conformance::run("no_such_case", |_| Arc::new(MemoryBackend::routes()));
}

/// A backend all of whose handshakes fail, with the error that it makes of the request.
fn failing_handshakes(
    error: impl Fn(&ExchangeRequest) -> BackendError + Send + Sync + 'static,
) -> MemoryBackend {
    MemoryBackend::handling(move |request| {
        let error = error(&request);
        async move { Err::<ExchangeResponse, _>(error) }
    })
    .with_capabilities(Capabilities::of(&[
        Capability::Http1,
        Capability::Tls,
        Capability::Network,
    ]))
}

#[test]
fn errors_that_tell_a_secret_are_noticed() {
    let tls = |message: String| BackendError::new(ErrorKind::Tls, message);
    let name = "tls_errors_tell_no_secret";
    let discreet = failing_handshakes(move |_| tls("no".to_owned()).with_source("no"));
    conformance::run(name, move |_| Arc::new(discreet.clone()));

    let header = failing_handshakes(move |request| tls(format!("{:?}", request.headers["x-key"])));
    assert_fails(name, header);
    let basic = failing_handshakes(move |request| {
        let shown = request
            .headers
            .get("authorization")
            .map(HeaderValue::as_bytes);
        tls(String::from_utf8_lossy(shown.unwrap_or_default()).into_owned())
    });
    assert_fails(name, basic);
    let query = failing_handshakes(move |request| {
        tls("no".to_owned()).with_source(request.uri.to_string())
    });
    assert_fails(name, query);
    let body = failing_handshakes(move |request| {
        let OutgoingBody::Full(bytes) = &request.body else {
            panic!("the request has a body");
        };
        tls("no".to_owned()).with_source(format!("{:?}", bytes.to_vec()))
    });
    assert_fails(name, body);
}

#[test]
fn bodies_that_outlive_their_backend_are_noticed() {
    // The suite's handle is not the last one, so that dropping it ends nothing.
    let network = Capabilities::of(&[
        Capability::Http1,
        Capability::StreamingDownload,
        Capability::Network,
    ]);
    let immortal = MemoryBackend::routes().with_capabilities(network);
    assert_fails("dropping_ends_a_body_that_is_being_read", immortal);
}
