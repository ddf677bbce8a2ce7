//! The list of all cases with the capabilities that they need.

use futures::FutureExt;
use pr_core::Capability::{
    ConnectionReuse, ExpectContinue, Http1, Http2, Http2PriorKnowledge, HttpProxy, Network,
    SocksProxy, StreamingDownload, StreamingUpload, Tls, Trailers, UnixSocket,
};

use super::case::Case;
use super::{
    cancellation, certificates, closing, codings, connection_limits, connections, contract,
    early_answers, errors, framing, heads, http2, names, observing, proxies, redirects, requests,
    responses, secrets, sessions, settings, socks, streaming, tampering, timeouts,
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
    responses::trailers_arrive needs [Trailers, Network];
    responses::informational_responses_are_passed_over needs [Http1, Network];
    responses::bodies_that_end_with_the_connection_arrive needs [Http1, Network];

    redirects::redirects_lead_to_the_final_url needs [Http1];
    redirects::see_other_becomes_get needs [Http1];
    redirects::temporary_redirects_keep_method_and_body needs [Http1];
    redirects::a_one_shot_body_is_not_sent_again needs [StreamingUpload];
    redirects::endless_redirects_are_an_error needs [Http1];
    redirects::a_redirect_to_nowhere_was_sent needs [Http1, Network];
    redirects::loops_are_an_error needs [Http1, Network];
    redirects::places_that_are_not_http_are_not_gone_to needs [Http1];
    redirects::credentials_do_not_leave_https needs [Http1, Tls, Network];
    redirects::redirects_can_be_declined needs [Http1];
    redirects::credentials_stay_with_their_origin needs [Http1];

    timeouts::no_answer_is_a_timeout needs [Http1];
    timeouts::a_slow_body_is_a_timeout needs [Http1];
    timeouts::a_body_that_stalls_is_a_timeout needs [Http1, Network];
    timeouts::a_slow_body_that_moves_arrives needs [Http1];
    timeouts::a_slow_stream_is_a_timeout needs [StreamingDownload];
    timeouts::a_stalled_handshake_is_a_timeout needs [Tls, Network];
    timeouts::a_peer_that_does_not_read_is_a_timeout needs [Http1, Network];
    timeouts::each_part_has_a_limit_of_its_own needs [Http1, Network];
    timeouts::a_peer_that_takes_its_time_is_not_a_timeout needs [Http1, Network];

    connections::sequential_requests_share_a_connection needs [ConnectionReuse, Network];
    connections::a_connection_closed_while_idle_is_replaced needs [ConnectionReuse, Network];
    connections::an_unread_body_does_no_harm needs [ConnectionReuse, Network];
    connections::verified_and_unverified_do_not_share needs [Tls, Network];
    connections::idle_connections_are_kept_up_to_a_limit needs [Http1, ConnectionReuse, Network];
    connections::a_reset_lets_go_of_every_connection needs [ConnectionReuse, Network];
    connections::a_reset_disturbs_nothing_in_flight needs [ConnectionReuse, StreamingDownload, Network];

    connection_limits::connections_are_no_more_than_allowed needs [Http1, ConnectionReuse, Network];
    connection_limits::idle_connections_make_room_for_others needs [Http1, ConnectionReuse, Network];
    connection_limits::a_connection_goes_to_whoever_waits_for_its_origin needs [Http1, ConnectionReuse, Network];
    connection_limits::nobody_is_passed_over_for_ever needs [Http1, ConnectionReuse, Network];
    connection_limits::connections_to_one_origin_have_a_limit_of_their_own needs [Http1, ConnectionReuse, Network];
    connection_limits::waiting_for_a_place_is_waiting_in_the_queue needs [Http1, ConnectionReuse, Network];
    connection_limits::whoever_waits_for_a_place_may_leave needs [Http1, ConnectionReuse, Network];

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
    errors::a_peer_without_tls_is_a_tls_error needs [Tls, Network];
    errors::a_connection_closed_before_the_head_is_closed needs [Http1, Network];
    errors::a_body_that_breaks_off_is_truncated needs [Http1, Network];
    errors::a_body_without_tls_farewell_is_truncated needs [Http1, Tls, Network];
    errors::a_whole_body_needs_no_tls_farewell needs [Http1, Tls, Network];
    errors::input_errors_send_nothing needs [Network];
    errors::what_could_split_a_message_is_refused needs [Network];

    observing::an_observer_sees_stages_dial_and_connection needs [ConnectionReuse, Network];
    observing::an_error_names_the_connection_that_it_was_on needs [ConnectionReuse, Network];

    secrets::errors_name_backend_and_url_and_no_secret needs [Http1, Network];
    secrets::errors_of_a_body_tell_no_secret needs [StreamingDownload, Network];
    secrets::errors_of_lost_connections_tell_no_secret needs [Network];
    secrets::tls_errors_tell_no_secret needs [Tls, Network];

    tampering::garbage_is_a_protocol_error needs [Http1, Network];
    tampering::broken_framing_is_a_protocol_error needs [Http1, Network];
    tampering::http2_garbage_is_a_protocol_error needs [Http2, Network];
    tampering::a_proxy_gets_the_absolute_form needs [HttpProxy, Network];
    tampering::a_proxy_that_refuses_is_a_proxy_error needs [HttpProxy, Tls, Network];

    certificates::bad_certificates_are_tls_errors needs [Tls, Network];
    certificates::bad_certificates_pass_without_verification needs [Tls, Network];
    certificates::a_chain_of_authorities_is_followed needs [Tls, Network];
    certificates::both_versions_of_tls_are_spoken needs [Tls, Network];
    certificates::old_versions_of_tls_are_tls_errors needs [Tls, Network];

    proxies::requests_go_through_a_proxy needs [Http1, HttpProxy, Network];
    proxies::credentials_for_a_proxy_stay_with_it needs [Http1, HttpProxy, Network];
    proxies::http_proxies_share_no_connections needs [Http1, HttpProxy, Network];
    proxies::a_proxy_that_does_not_do_as_asked_is_a_proxy_error needs [HttpProxy, Tls, Network];
    proxies::a_proxy_that_stalls_is_a_timeout needs [HttpProxy, Tls, Network];
    proxies::a_tunnel_has_no_body needs [HttpProxy, Tls, Network];
    proxies::wrong_credentials_get_past_no_proxy needs [Http1, HttpProxy, Network];
    proxies::a_proxy_out_of_reach_is_a_proxy_error needs [Http1, HttpProxy, Network];
    proxies::https_proxies_are_spoken_to_over_tls needs [Http1, HttpProxy, Tls, Network];

    socks::names_are_looked_up_where_asked_for needs [Http1, SocksProxy, Network];
    socks::socks_proxies_share_no_connections needs [Http1, SocksProxy, Network];
    socks::connections_through_socks_are_used_again needs [Http1, SocksProxy, ConnectionReuse, Network];
    socks::a_socks_proxy_that_refuses_is_a_proxy_error needs [Http1, SocksProxy, Network];
    socks::wrong_credentials_get_past_no_socks_proxy needs [Http1, SocksProxy, Network];
    socks::a_socks_proxy_that_stalls_is_a_timeout needs [Http1, SocksProxy, Network];
    socks::what_socks_cannot_say_is_an_error needs [Http1, SocksProxy, Network];

    codings::contents_are_decoded needs [Http1];
    codings::contents_are_left_alone_where_asked_and_where_there_are_none needs [Http1];
    codings::broken_contents_are_decode_errors needs [Http1];
    codings::more_than_five_codings_are_a_limit_error needs [Http1];
    codings::bombs_are_limit_errors needs [Http1, Network];
    codings::a_bomb_on_a_redirect_is_not_unpacked needs [Http1, Network];
    codings::large_bodies_are_limit_errors needs [Http1];
    codings::a_download_is_a_file_when_it_is_whole needs [StreamingDownload];

    framing::empty_lines_before_a_response_change_nothing needs [Http1, Network];
    framing::a_connection_with_a_broken_response_carries_nothing_more needs [Http1, ConnectionReuse, Network];
    framing::an_early_refusal_is_heard_behind_informational_responses needs [Http1, StreamingUpload, Network];
    framing::a_malformed_chunk_is_an_error_of_kind_protocol needs [Http1, Network];

    heads::long_heads_are_limit_errors needs [Http1, Network];
    heads::a_flood_of_informational_responses_is_a_limit_error needs [Http1, Network];
    heads::a_body_waits_for_leave needs [Http1, ExpectContinue, Network];
    heads::forms_and_files_arrive needs [StreamingUpload];
    heads::timings_say_what_took_how_long needs [Http1];

    names::names_are_looked_up_once needs [Http1, Network];
    names::resolvers_failures_are_told_apart needs [Network];
    names::a_resolver_that_hangs_is_a_timeout needs [Network];
    names::overrides_take_the_place_of_names needs [Http1, Network];
    names::a_dead_address_does_not_matter_if_another_lives needs [Http1, Network];
    names::a_guard_sees_every_address needs [Http1, Network];
    names::rebinding_gets_nowhere needs [Http1, Network];

    sessions::cookies_are_kept_and_sent_along needs [Http1];
    sessions::cookies_for_others_are_refused needs [Http1, Network];
    sessions::secure_cookies_stay_secure needs [Http1, Tls, Network];
    sessions::floods_of_cookies_are_bounded needs [Http1];

    settings::what_differs_in_settings_shares_no_connection needs [Tls, ConnectionReuse, Network];
    settings::sessions_do_not_cross_identities needs [Tls, Network];
    settings::the_oldest_version_of_tls_can_be_set needs [Tls, Network];
    settings::the_offer_of_protocols_can_be_set needs [Tls, Network];
    settings::settings_that_cannot_be_read_send_nothing needs [Tls, Network];
    settings::requests_go_through_unix_sockets needs [UnixSocket, Network];

    http2::http2_is_spoken_where_promised needs [Http2, Network];
    http2::http1_is_spoken_where_asked_for needs [Http1, Http2, Network];
    http2::peers_without_http2_get_http1 needs [Http1, Http2, Network];
    http2::prior_knowledge_speaks_http2_over_plain_tcp needs [Http2PriorKnowledge, Network];
    http2::a_hundred_requests_share_connections needs [Http2, Network];
    http2::the_stream_limit_of_the_peer_is_kept needs [Http2, Network];
    http2::a_peer_that_goes_away_finishes_what_it_took needs [Http2, Network];
}
