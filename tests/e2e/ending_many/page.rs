//! The admins' page of sessions: nothing ends before it was said how many would.

use super::{Crowd, looked_at, start};
use crate::browser::visitor::{Visitor, form};
use crate::harness::{ANN, DEMO, LONG_PASSWORD, Request};

fn admin(crowd: &Crowd) -> Visitor {
    let mut visitor = Visitor::of(crowd.auth.public);
    visitor.log_in(DEMO.0, DEMO.1);
    visitor
}

#[test]
fn sessions_are_found_counted_and_ended() {
    let crowd = Crowd::gather(start());
    let mut admin = admin(&crowd);
    let page = admin.get("/admin/sessions").expect(200).text();
    assert!(page.contains("2001:db8:7::1") && page.contains("this session"), "{page}");
    // A form sends what is left empty, too.
    let query = "user=&role=&kind=fixed&ip=203.0.113.0%2F24&user_agent=&opened_before=&unused_for=";
    let page = admin.get(&format!("/admin/sessions?{query}")).expect(200).text();
    assert!(page.contains("203.0.113.77") && !page.contains("2001:db8:7::1"), "{page}");
    assert!(page.contains("elsewhere: <code>a/b</code>"), "{page}");
    let (_, link) = page.split_once("href=\"/admin/sessions/end?").expect("a way to end them");
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    let asked = admin.get(&format!("/admin/sessions/end?{link}")).expect(200).text();
    assert!(
        asked.contains("<h1>End 2 sessions?</h1>") && asked.contains("method=\"post\""),
        "{asked}"
    );
    crowd.assert_all_live("asking does nothing");
    let fields = [("kind", "fixed"), ("ip", "203.0.113.0/24")];
    let done = admin.post("/admin/sessions/end", &fields).expect(303);
    let page = admin.get(done.header("location").unwrap()).expect(200).text();
    assert!(
        page.contains("2 sessions have ended.") && page.contains("No session was found"),
        "{page}"
    );
    assert_eq!(crowd.living(), ["ann", "another admin", "bob", "single use", "v6"]);
    let asked = admin.get("/admin/sessions/end").expect(200).text();
    assert!(asked.contains("name=\"all\" value=\"true\""), "{asked}");
    admin.post("/admin/sessions/end", &[("all", "true")]).expect(303);
    assert!(crowd.living().is_empty());
    admin.get("/admin/sessions").expect(200);
}

#[test]
fn pages_of_many_lead_to_the_next() {
    let crowd = Crowd::gather(start());
    for number in 0..40 {
        super::grant(&crowd.auth, &format!("user-{number}-"), "user", &serde_json::json!({}));
    }
    let mut admin = admin(&crowd);
    let (mut found, mut path) = (String::new(), "/admin/sessions?kind=fixed".to_owned());
    let mut pages = 0;
    loop {
        let page = admin.get(&path).expect(200).text();
        found.push_str(&page);
        pages += 1;
        let Some((_, next)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(pages, 2);
    for number in 0..40 {
        assert_eq!(found.matches(&format!("<code>user-{number}-</code>")).count(), 1, "{number}");
    }
}

#[test]
fn what_cannot_be_read_is_told_beside_the_form_and_ends_nobody() {
    let crowd = Crowd::gather(start());
    let mut admin = admin(&crowd);
    for path in ["/admin/sessions", "/admin/sessions/end"] {
        let page = admin.get(&format!("{path}?ip=%3Cb%3E&role=user")).expect(400).text();
        assert!(page.contains("Ip must be one network such as 203.0.113.0/24"), "{page}");
        assert!(
            page.contains("value=\"&#60;b&#62;\"") && page.contains("value=\"user\""),
            "{page}"
        );
        assert!(!page.contains("<b>"), "{page}");
        admin.get(&format!("{path}?usr=7")).expect(400);
        admin.get(&format!("{path}?user=7&user=8")).expect(400);
    }
    for fields in [
        &[][..],
        &[("user", "")],
        &[("all", "true"), ("user", "7")],
        &[("all", "1")],
        &[("ip", "203.0.113.0/33")],
        &[("usr", "7")],
        &[("user", "42"), ("user", "7")],
        &[("user", "42"), ("dry_run", "true")],
    ] {
        admin.post("/admin/sessions/end", fields).expect(400);
    }
    let unread = Request::post("/admin/sessions/end").json(&serde_json::json!({"all": "true"}));
    admin.send(unread.header("Sec-Fetch-Site", "same-origin")).expect(415);
    // What stands in the path of a form says nothing.
    admin.post("/admin/sessions/end?all=true", &[]).expect(400);
    admin.post("/admin/sessions/end?user=42", &[("all", "true")]).expect(400);
    crowd.assert_all_live("nothing was to end");
}

#[test]
fn neither_others_nor_pages_of_other_sites_end_any() {
    let crowd = Crowd::gather(start());
    let mut ann = Visitor::of(crowd.auth.public);
    ann.log_in(ANN, LONG_PASSWORD);
    for path in ["/admin/sessions", "/admin/sessions/end"] {
        ann.get(path).expect(403);
    }
    ann.post("/admin/sessions/end", &[("all", "true")]).expect(403);
    let mut admin = admin(&crowd);
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ] {
        let request = form("/admin/sessions/end", &[("all", "true")]);
        let add = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
        admin.send(headers.iter().fold(request, add)).expect(403);
    }
    crowd.assert_all_live("nothing was to end");
    assert!(looked_at(&crowd.auth, admin.token()));
    let mut nobody = Visitor::of(crowd.auth.public);
    let sent = nobody.get("/admin/sessions?ip=::1").expect(303);
    let to = sent.header("location").unwrap();
    assert_eq!(to, "/login?next=%2Fadmin%2Fsessions%3Fip%3D%3A%3A1");
}
