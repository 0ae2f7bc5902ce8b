//! The pages: what they show, how they are protected, and the way to the login.

use crate::auth::Health;
use crate::{ALIVE, BROWSER, Service, header, text};

#[tokio::test]
async fn a_live_session_sees_its_dashboard() {
    let service = Service::start().await;
    let response =
        service.get("/dashboard", &[("cookie", "__Host-reinflate=alive"), BROWSER]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert_eq!(header(&response, "cross-origin-opener-policy"), "same-origin");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    let policy = header(&response, "content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    let page = text(response).await;
    for part in ["Welcome ann!", "<span>30 s</span>", "http://localhost:8080/account"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("style="), "{page}");
}

#[tokio::test]
async fn whatever_a_user_is_called_is_text() {
    let service = Service::start().await;
    service.auth.set_username("<script>alert('1')</script>&\"@example.com");
    for path in ["/dashboard", "/protected"] {
        let page = text(service.get(path, &[ALIVE, BROWSER]).await).await;
        assert!(
            page.contains("&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;&#38;&#34;@"),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
    }
}

#[tokio::test]
async fn a_browser_without_a_live_session_is_sent_to_the_login_and_back() {
    let login = ("BUSINESS_LOGIN_URL", "https://auth.example.com/login?theme=dark");
    let public = ("BUSINESS_PUBLIC_URL", "https://app.example.com/shop/");
    let service = Service::with(&[login, public]).await;
    for cookie in ["", "__Host-reinflate=expired", "__Host-reinflate=made-up"] {
        let headers = [BROWSER, ("cookie", cookie)];
        let response = service.get("/dashboard?tab=1&q=a%20b#x", &headers).await;
        assert_eq!(response.status(), 303);
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert_eq!(
            header(&response, "location"),
            "https://auth.example.com/login?theme=dark&next=\
             https%3A%2F%2Fapp.example.com%2Fshop%2Fdashboard%3Ftab%3D1%26q%3Da%2520b"
        );
    }
    assert_eq!(service.get("/protected", &[BROWSER]).await.status(), 303);
}

#[tokio::test]
async fn what_a_login_would_not_help_is_no_redirect() {
    let service = Service::start().await;
    let two = service.get("/dashboard", &[BROWSER, ("token", "a"), ALIVE]).await;
    assert_eq!(two.status(), 400);
    service.auth.set_health(Health::Broken(500));
    let unknown = service.get("/dashboard", &[BROWSER, ALIVE]).await;
    assert_eq!(unknown.status(), 503);
    assert!(header(&unknown, "content-type").starts_with("text/html"));
}

#[tokio::test]
async fn the_front_door_leads_to_the_dashboard_and_the_sheet_is_ours() {
    let service = Service::start().await;
    let front = service.get("/", &[BROWSER]).await;
    assert_eq!((front.status().as_u16(), header(&front, "location")), (303, "/dashboard"));
    let sheet = service.get(server_runtime::page::STYLE_SHEET, &[]).await;
    assert_eq!(sheet.status(), 200);
    assert_eq!(header(&sheet, "content-type"), "text/css; charset=utf-8");
}
