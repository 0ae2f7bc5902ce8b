//! nginx itself, with the configuration that `auth-service proxy nginx` prints.

use super::front::{AUTH_HOST, HOST, NGINX, Stage};
use super::{forged, through};
use crate::harness::Request;

#[test]
fn a_live_session_passes_nginx_and_the_application_hears_who_it_is() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::a_live_session_passes(&stage);
        through::a_request_is_one_use(&stage);
    }
}

#[test]
fn nobody_else_passes_nginx() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::others_are_refused(&stage);
        through::the_doors_are_not_open_to_clients(&stage);
        for path in ["/.reinflate/any", "/.reinflate/admin"] {
            stage.send(Request::get(path).token(&stage.auth.token())).expect(404);
        }
    }
}

#[test]
fn nginx_sends_a_browser_to_the_login() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::a_browser_is_sent_to_the_login(&stage);
    }
}

#[test]
fn nginx_refuses_another_role() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::another_role_is_refused(&stage);
    }
}

#[test]
fn forged_identity_headers_do_not_pass_nginx() {
    if let Some(stage) = Stage::set(&NGINX) {
        forged::identity_headers_are_overwritten(&stage);
        forged::forwarded_headers_change_no_decision(&stage);
    }
}

#[test]
fn nginx_answers_503_while_the_auth_service_is_away() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::an_outage_is_503(stage);
    }
}

#[test]
fn a_person_logs_in_through_nginx_on_the_applications_own_host() {
    if let Some(stage) = Stage::set(&NGINX) {
        through::a_person_logs_in_and_comes_back(&stage, HOST);
    }
}

#[test]
fn one_login_serves_several_hosts_behind_nginx() {
    if let Some(stage) = Stage::set_for_domain(&NGINX) {
        through::a_person_logs_in_and_comes_back(&stage, AUTH_HOST);
        through::another_role_is_refused(&stage);
        forged::identity_headers_are_overwritten(&stage);
    }
}
