//! Cookies as they may arrive: doubled, quoted, misspelled. One outcome, whatever their order.

use crate::browser::visitor::Visitor;
use crate::harness::{Answer, AuthService, BusinessService, DEMO, Listener, Request};

fn with_cookies(listener: Listener, page: &str, lines: &[&str]) -> Answer {
    let request = Request::get(page).header("Accept", "text/html");
    listener.send(lines.iter().fold(request, |request, line| request.header("Cookie", line)))
}

#[test]
fn one_outcome_whatever_the_order_at_both_services() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut visitor = Visitor::of(auth.public);
    let good = visitor.log_in(DEMO.0, DEMO.1).token().to_owned();
    let other = auth.token();
    let good = format!("reinflate={good}");
    let other = format!("reinflate={other}");
    let both = format!("{good}; {other}");
    let reversed = format!("{other}; {good}");
    let same = format!("a=b; {good}; {good}");
    let spaced = format!(" ;; {good} ;");
    let token = &good["reinflate=".len()..];
    let quoted = format!("reinflate=\"{token}\"");
    let upper = format!("Reinflate={token}");
    let nameless = format!("={token}");
    let bare = token.to_owned();
    let dotted = format!("$reinflate={token}");
    for (lines, status) in [
        (vec![good.as_str()], 200),
        (vec![&same], 200),
        (vec![&spaced], 200),
        (vec!["x=y", &good], 200),
        (vec![&good, &good], 200),
        (vec![&both], 303),
        (vec![&reversed], 303),
        (vec![&good, &other], 303),
        (vec![&other, &good], 303),
        (vec!["reinflate=", &good], 303),
        (vec![&good, "reinflate="], 303),
        (vec![&quoted], 303),
        (vec![&upper], 303),
        (vec![&nameless], 303),
        (vec![&bare], 303),
        (vec![&dotted], 303),
        (vec!["reinflate"], 303),
    ] {
        for (listener, page) in [(auth.public, "/account"), (business.public, "/dashboard")] {
            let answer = with_cookies(listener, page, &lines);
            assert_eq!(answer.status, status, "{page} {lines:?}: {answer:?}");
        }
    }
}

#[test]
fn the_cookie_of_the_login_opens_both_services() {
    let auth = AuthService::start();
    let business = BusinessService::start(&auth);
    let mut visitor = Visitor::of(auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    let mut there = visitor.at(business.public);
    let page = there.get("/dashboard").expect(200).text();
    assert!(page.contains("Welcome jsf.fusco!"), "{page}");
    let data = business.public.send(Request::get("/data").cookie(visitor.token())).expect(200);
    assert_eq!(data.json()["data"]["user"]["username"], DEMO.0);
    visitor.post("/logout", &[]).expect(303);
    there.get("/dashboard").expect(303);
}
