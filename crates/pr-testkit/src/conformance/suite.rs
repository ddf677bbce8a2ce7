//! The list of all cases with the capabilities that they need, and the macro that makes tests of
//! them.

use futures::FutureExt;
use pr_core::Capability::{
    ConnectionReuse, Http1, Http2, Http2PriorKnowledge, HttpProxy, Network, StreamingDownload,
    StreamingUpload, Tls,
};

use super::case::Case;
use super::{
    cancellation, closing, connections, contract, early_answers, errors, http2, redirects,
    requests, responses, secrets, streaming, tampering, timeouts,
};

macro_rules! cases {
    ($($module:ident :: $name:ident needs $needs:expr $(, excludes [$($excludes:ident),*])?;)*) => {
        /// Every case there is.
        ///
        /// ```
        /// use pr_testkit::conformance::CASES;
        ///
        /// assert!(CASES.iter().any(|case| case.name() == "methods_arrive"));
        /// ```
        pub static CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            needs: &$needs,
            excludes: &[$($($excludes),*)?],
            run: |subject| $module::$name(subject).boxed(),
        }),*];
    };
}

cases! {
    contract::the_name_is_one_lower_case_word needs [];
    contract::input_errors_are_typed needs [];
    contract::what_the_backend_cannot_do_is_refused needs [];
    contract::input_errors_tell_no_secret needs [];
    contract::http2_asked_of_an_http1_backend_warns_once needs [Http1], excludes [Http2];
    contract::a_closed_backend_refuses needs [];
    contract::concurrent_requests_have_one_outcome_each needs [Http1];

    requests::methods_arrive needs [Http1];
    requests::bodies_arrive_byte_for_byte needs [Http1];
    requests::json_and_forms_arrive needs [Http1];
    requests::streamed_bodies_arrive needs [StreamingUpload];
    requests::streamed_bodies_of_the_wrong_length_are_errors needs [StreamingUpload];
    requests::a_failing_body_is_not_taken_for_a_whole_one needs [StreamingUpload, Network];
    requests::request_headers_arrive needs [Http1];
    requests::header_values_beyond_ascii_arrive needs [Network];
    requests::messages_are_framed_once needs [Network];
    requests::a_host_header_replaces_the_authority needs [Http1];
    requests::params_join_the_query needs [Http1];

    responses::statuses_arrive needs [Http1];
    responses::every_header_value_arrives needs [Http1];
    responses::responses_without_a_body_have_none needs [Http1];
    responses::bodies_of_every_size_arrive_whole needs [Http1];
    responses::text_and_json_are_read needs [Http1];
    responses::a_response_says_where_it_came_from needs [Http1];
    responses::trailers_arrive needs [Http2, Network];
    responses::informational_responses_are_passed_over needs [Http1, Network];
    responses::bodies_that_end_with_the_connection_arrive needs [Http1, Network];

    redirects::redirects_lead_to_the_final_url needs [Http1];
    redirects::see_other_becomes_get needs [Http1];
    redirects::temporary_redirects_keep_method_and_body needs [Http1];
    redirects::a_one_shot_body_is_not_sent_again needs [StreamingUpload];
    redirects::endless_redirects_are_an_error needs [Http1];
    redirects::a_redirect_to_nowhere_was_sent needs [Http1, Network];
    redirects::redirects_can_be_declined needs [Http1];
    redirects::credentials_stay_with_their_origin needs [Http1];

    timeouts::no_answer_is_a_timeout needs [Http1];
    timeouts::a_slow_body_is_a_timeout needs [Http1];
    timeouts::a_slow_stream_is_a_timeout needs [StreamingDownload];
    timeouts::a_stalled_handshake_is_a_timeout needs [Tls, Network];
    timeouts::a_peer_that_does_not_read_is_a_timeout needs [Http1, Network];

    connections::sequential_requests_share_a_connection needs [ConnectionReuse, Network];
    connections::a_connection_closed_while_idle_is_replaced needs [ConnectionReuse, Network];
    connections::an_unread_body_does_no_harm needs [ConnectionReuse, Network];
    connections::verified_and_unverified_do_not_share needs [Tls, Network];
    connections::idle_connections_are_kept_up_to_a_limit needs [Http1, ConnectionReuse, Network];
    connections::a_reset_lets_go_of_every_connection needs [ConnectionReuse, Network];
    connections::a_reset_disturbs_nothing_in_flight needs [ConnectionReuse, StreamingDownload, Network];

    closing::closing_ends_what_is_in_flight needs [Network];
    closing::closing_does_not_deny_what_a_kept_connection_carried needs [ConnectionReuse, Network];
    closing::closing_closes_every_connection needs [Network];
    closing::dropping_closes_every_connection needs [Network];
    closing::dropping_with_a_request_in_flight_closes_its_connection needs [Network];
    closing::dropping_ends_a_body_that_is_being_read needs [StreamingDownload, Network];

    cancellation::a_dropped_request_is_abandoned needs [Network];
    cancellation::a_dropped_body_is_abandoned needs [StreamingDownload, Network];
    cancellation::dropped_requests_free_what_they_held needs [Network];
    cancellation::a_dropped_request_disturbs_no_other needs [Network];

    streaming::large_bodies_stream_at_bounded_memory needs [StreamingDownload, Network];
    streaming::large_uploads_stream_at_bounded_memory needs [StreamingUpload, Network];
    streaming::a_stream_yields_before_its_end needs [StreamingDownload, Network];

    early_answers::an_early_answer_does_not_hide_a_cut_upload needs [Http1, StreamingUpload, Network];
    early_answers::early_answers_hide_no_cut_upload_on_any_protocol needs [StreamingUpload, Network];

    errors::refused_connections_are_connect_errors needs [Network];
    errors::unknown_names_are_dns_errors needs [Network];
    errors::bad_certificates_are_tls_errors needs [Tls, Network];
    errors::bad_certificates_pass_without_verification needs [Tls, Network];
    errors::a_peer_without_tls_is_a_tls_error needs [Tls, Network];
    errors::a_connection_closed_before_the_head_is_closed needs [Http1, Network];
    errors::a_body_that_breaks_off_is_truncated needs [Http1, Network];
    errors::a_body_without_tls_farewell_is_truncated needs [Http1, Tls, Network];
    errors::input_errors_send_nothing needs [Network];

    secrets::errors_name_backend_and_url_and_no_secret needs [Http1, Network];
    secrets::errors_of_a_body_tell_no_secret needs [StreamingDownload, Network];
    secrets::errors_of_lost_connections_tell_no_secret needs [Network];
    secrets::tls_errors_tell_no_secret needs [Tls, Network];

    tampering::garbage_is_a_protocol_error needs [Http1, Network];
    tampering::broken_framing_is_a_protocol_error needs [Http1, Network];
    tampering::http2_garbage_is_a_protocol_error needs [Http2, Network];
    tampering::a_proxy_gets_the_absolute_form needs [HttpProxy, Network];
    tampering::a_proxy_that_refuses_is_a_proxy_error needs [HttpProxy, Tls, Network];

    http2::http2_is_spoken_where_promised needs [Http2, Network];
    http2::http1_is_spoken_where_asked_for needs [Http1, Http2, Network];
    http2::peers_without_http2_get_http1 needs [Http1, Http2, Network];
    http2::prior_knowledge_speaks_http2_over_plain_tcp needs [Http2PriorKnowledge, Network];
    http2::a_hundred_requests_share_connections needs [Http2, Network];
    http2::the_stream_limit_of_the_peer_is_kept needs [Http2, Network];
    http2::a_peer_that_goes_away_finishes_what_it_took needs [Http2, Network];
}

/// Makes one `#[test]` of each case of the [conformance suite](crate::conformance).
///
/// It takes a function or closure from [`TransportConfig`](pr_core::TransportConfig) to
/// `Arc<dyn Backend>` (or an `Arc` that coerces to it). The module in which it stands needs nothing
/// in scope, and its crate no other dependency.
///
/// ```
/// mod conformance {
///     pr_testkit::conformance_suite!(|_config| {
///         std::sync::Arc::new(pr_testkit::MemoryBackend::routes())
///     });
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance_suite {
    (@tests $make:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::run(stringify!($name), $make);
            }
        )*
    };
    // For the test that this list and `CASES` name the same.
    (@names $nothing:expr; $($name:ident)*) => {
        [$(stringify!($name)),*]
    };
    (@list $then:ident $make:expr) => {
        $crate::conformance_suite! { @$then $make;
            the_name_is_one_lower_case_word
            input_errors_are_typed
            what_the_backend_cannot_do_is_refused
            input_errors_tell_no_secret
            http2_asked_of_an_http1_backend_warns_once
            a_closed_backend_refuses
            concurrent_requests_have_one_outcome_each
            methods_arrive
            bodies_arrive_byte_for_byte
            json_and_forms_arrive
            streamed_bodies_arrive
            streamed_bodies_of_the_wrong_length_are_errors
            a_failing_body_is_not_taken_for_a_whole_one
            request_headers_arrive
            header_values_beyond_ascii_arrive
            messages_are_framed_once
            a_host_header_replaces_the_authority
            params_join_the_query
            statuses_arrive
            every_header_value_arrives
            responses_without_a_body_have_none
            bodies_of_every_size_arrive_whole
            text_and_json_are_read
            a_response_says_where_it_came_from
            trailers_arrive
            informational_responses_are_passed_over
            bodies_that_end_with_the_connection_arrive
            redirects_lead_to_the_final_url
            see_other_becomes_get
            temporary_redirects_keep_method_and_body
            a_one_shot_body_is_not_sent_again
            endless_redirects_are_an_error
            a_redirect_to_nowhere_was_sent
            redirects_can_be_declined
            credentials_stay_with_their_origin
            no_answer_is_a_timeout
            a_slow_body_is_a_timeout
            a_slow_stream_is_a_timeout
            a_stalled_handshake_is_a_timeout
            a_peer_that_does_not_read_is_a_timeout
            sequential_requests_share_a_connection
            a_connection_closed_while_idle_is_replaced
            an_unread_body_does_no_harm
            verified_and_unverified_do_not_share
            idle_connections_are_kept_up_to_a_limit
            a_reset_lets_go_of_every_connection
            a_reset_disturbs_nothing_in_flight
            closing_ends_what_is_in_flight
            closing_does_not_deny_what_a_kept_connection_carried
            closing_closes_every_connection
            dropping_closes_every_connection
            dropping_with_a_request_in_flight_closes_its_connection
            dropping_ends_a_body_that_is_being_read
            a_dropped_request_is_abandoned
            a_dropped_body_is_abandoned
            dropped_requests_free_what_they_held
            a_dropped_request_disturbs_no_other
            large_bodies_stream_at_bounded_memory
            large_uploads_stream_at_bounded_memory
            a_stream_yields_before_its_end
            an_early_answer_does_not_hide_a_cut_upload
            early_answers_hide_no_cut_upload_on_any_protocol
            refused_connections_are_connect_errors
            unknown_names_are_dns_errors
            bad_certificates_are_tls_errors
            bad_certificates_pass_without_verification
            a_peer_without_tls_is_a_tls_error
            a_connection_closed_before_the_head_is_closed
            a_body_that_breaks_off_is_truncated
            a_body_without_tls_farewell_is_truncated
            input_errors_send_nothing
            errors_name_backend_and_url_and_no_secret
            errors_of_a_body_tell_no_secret
            errors_of_lost_connections_tell_no_secret
            tls_errors_tell_no_secret
            garbage_is_a_protocol_error
            broken_framing_is_a_protocol_error
            http2_garbage_is_a_protocol_error
            a_proxy_gets_the_absolute_form
            a_proxy_that_refuses_is_a_proxy_error
            http2_is_spoken_where_promised
            http1_is_spoken_where_asked_for
            peers_without_http2_get_http1
            prior_knowledge_speaks_http2_over_plain_tcp
            a_hundred_requests_share_connections
            the_stream_limit_of_the_peer_is_kept
            a_peer_that_goes_away_finishes_what_it_took
        }
    };
    ($make:expr) => {
        $crate::conformance_suite! { @list tests $make }
    };
}
