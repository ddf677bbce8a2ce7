//! The macro that makes a test of each case. It needs the names as tokens, so it has a list of its
//! own, which a test holds equal to [`CASES`](super::CASES).

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
            loops_are_an_error
            places_that_are_not_http_are_not_gone_to
            credentials_do_not_leave_https
            redirects_can_be_declined
            credentials_stay_with_their_origin
            no_answer_is_a_timeout
            a_slow_body_is_a_timeout
            a_body_that_stalls_is_a_timeout
            a_slow_body_that_moves_arrives
            a_slow_stream_is_a_timeout
            a_stalled_handshake_is_a_timeout
            a_peer_that_does_not_read_is_a_timeout
            each_part_has_a_limit_of_its_own
            a_peer_that_takes_its_time_is_not_a_timeout
            sequential_requests_share_a_connection
            a_connection_closed_while_idle_is_replaced
            an_unread_body_does_no_harm
            verified_and_unverified_do_not_share
            idle_connections_are_kept_up_to_a_limit
            a_reset_lets_go_of_every_connection
            a_reset_disturbs_nothing_in_flight
            connections_are_no_more_than_allowed
            idle_connections_make_room_for_others
            a_connection_goes_to_whoever_waits_for_its_origin
            nobody_is_passed_over_for_ever
            connections_to_one_origin_have_a_limit_of_their_own
            waiting_for_a_place_is_waiting_in_the_queue
            whoever_waits_for_a_place_may_leave
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
            a_peer_without_tls_is_a_tls_error
            a_connection_closed_before_the_head_is_closed
            a_body_that_breaks_off_is_truncated
            a_body_without_tls_farewell_is_truncated
            a_whole_body_needs_no_tls_farewell
            input_errors_send_nothing
            what_could_split_a_message_is_refused
            an_observer_sees_stages_dial_and_connection
            an_error_names_the_connection_that_it_was_on
            errors_name_backend_and_url_and_no_secret
            errors_of_a_body_tell_no_secret
            errors_of_lost_connections_tell_no_secret
            tls_errors_tell_no_secret
            garbage_is_a_protocol_error
            broken_framing_is_a_protocol_error
            http2_garbage_is_a_protocol_error
            a_proxy_gets_the_absolute_form
            a_proxy_that_refuses_is_a_proxy_error
            bad_certificates_are_tls_errors
            bad_certificates_pass_without_verification
            a_chain_of_authorities_is_followed
            both_versions_of_tls_are_spoken
            old_versions_of_tls_are_tls_errors
            requests_go_through_a_proxy
            credentials_for_a_proxy_stay_with_it
            http_proxies_share_no_connections
            a_proxy_that_does_not_do_as_asked_is_a_proxy_error
            a_proxy_that_stalls_is_a_timeout
            a_tunnel_has_no_body
            wrong_credentials_get_past_no_proxy
            a_proxy_out_of_reach_is_a_proxy_error
            https_proxies_are_spoken_to_over_tls
            names_are_looked_up_where_asked_for
            socks_proxies_share_no_connections
            connections_through_socks_are_used_again
            a_socks_proxy_that_refuses_is_a_proxy_error
            wrong_credentials_get_past_no_socks_proxy
            a_socks_proxy_that_stalls_is_a_timeout
            what_socks_cannot_say_is_an_error
            contents_are_decoded
            contents_are_left_alone_where_asked_and_where_there_are_none
            broken_contents_are_decode_errors
            more_than_five_codings_are_a_limit_error
            bombs_are_limit_errors
            a_bomb_on_a_redirect_is_not_unpacked
            large_bodies_are_limit_errors
            a_download_is_a_file_when_it_is_whole
            empty_lines_before_a_response_change_nothing
            a_connection_with_a_broken_response_carries_nothing_more
            an_early_refusal_is_heard_behind_informational_responses
            a_malformed_chunk_is_an_error_of_kind_protocol
            long_heads_are_limit_errors
            a_flood_of_informational_responses_is_a_limit_error
            a_body_waits_for_leave
            forms_and_files_arrive
            timings_say_what_took_how_long
            names_are_looked_up_once
            resolvers_failures_are_told_apart
            a_resolver_that_hangs_is_a_timeout
            overrides_take_the_place_of_names
            a_dead_address_does_not_matter_if_another_lives
            a_guard_sees_every_address
            rebinding_gets_nowhere
            cookies_are_kept_and_sent_along
            cookies_for_others_are_refused
            secure_cookies_stay_secure
            floods_of_cookies_are_bounded
            what_differs_in_settings_shares_no_connection
            sessions_do_not_cross_identities
            the_oldest_version_of_tls_can_be_set
            the_offer_of_protocols_can_be_set
            settings_that_cannot_be_read_send_nothing
            requests_go_through_unix_sockets
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
