//! Caddy itself, with the configuration that `auth-service proxy caddy` prints.

use super::application::Received;
use super::front::{AUTH_HOST, CADDY, HOST, Stage};
use super::{forged, through};
use crate::harness::Request;

#[test]
fn a_live_session_passes_caddy_and_the_application_hears_who_it_is() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::a_live_session_passes(&stage);
        through::a_request_is_one_use(&stage);
    }
}

#[test]
fn nobody_else_passes_caddy() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::others_are_refused(&stage);
        through::the_doors_are_not_open_to_clients(&stage);
    }
}

#[test]
fn caddy_sends_a_browser_to_the_login() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::a_browser_is_sent_to_the_login(&stage);
    }
}

#[test]
fn caddy_refuses_another_role() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::another_role_is_refused(&stage);
    }
}

#[test]
fn forged_identity_headers_do_not_pass_caddy() {
    if let Some(stage) = Stage::set(&CADDY) {
        forged::identity_headers_are_overwritten(&stage);
        forged::forwarded_headers_change_no_decision(&stage);
    }
}

#[test]
fn caddy_answers_503_while_the_auth_service_is_away() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::an_outage_is_503(stage);
    }
}

#[test]
fn a_person_logs_in_through_caddy_on_the_applications_own_host() {
    if let Some(stage) = Stage::set(&CADDY) {
        through::a_person_logs_in_and_comes_back(&stage, HOST);
    }
}

#[test]
fn one_login_serves_several_hosts_behind_caddy() {
    if let Some(stage) = Stage::set_for_domain(&CADDY) {
        through::a_person_logs_in_and_comes_back(&stage, AUTH_HOST);
        through::another_role_is_refused(&stage);
        forged::identity_headers_are_overwritten(&stage);
    }
}

#[test]
fn an_upgrade_passes_caddy_and_other_hop_by_hop_headers_do_not() {
    let Some(stage) = Stage::set(&CADDY) else {
        return;
    };
    let request = || Request::get("/").token(&stage.auth.token());
    let request =
        request().header("Connection", "keep-alive, Upgrade").header("Upgrade", "websocket");
    let received = Received::of(&stage.send(request));
    assert_eq!(received.header("upgrade"), "websocket");
    assert_eq!(received.header("connection").to_lowercase(), "upgrade");
}
