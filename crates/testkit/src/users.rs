//! The users API in verbs.

use serde_json::{Value, json};

use super::{Answer, AuthService, LONG_PASSWORD, Request};

impl AuthService {
    /// The answer to a request of the users API; `path` is what follows `/api/v1`.
    pub fn api(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> Answer {
        let request = Request::new(method, &format!("/api/v1{path}")).bearer(token);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        for secret in ["password", "current_password", "new_password"] {
            if let Some(secret) = body.and_then(|body| body[secret].as_str()) {
                self.keep_secret(secret);
            }
        }
        self.public.send(request)
    }

    /// `GET` of the users API.
    pub fn api_get(&self, path: &str, token: &str) -> Answer {
        self.api("GET", path, token, None)
    }

    /// `PUT` of the users API.
    pub fn api_put(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.api("PUT", path, token, Some(body))
    }

    /// `DELETE` of the users API.
    pub fn api_delete(&self, path: &str, token: &str) -> Answer {
        self.api("DELETE", path, token, None)
    }

    /// The answer to an admin's request for a new user of this name.
    pub fn try_create(&self, admin: &str, email: &str) -> Answer {
        let new = json!({"email": email, "password": LONG_PASSWORD});
        self.api("POST", "/users", admin, Some(&new))
    }

    /// The id of a new user, who has the role `user`.
    #[track_caller]
    pub fn create(&self, admin: &str, email: &str) -> String {
        uuid(&self.try_create(admin, email).expect(201).json())
    }

    /// The id of a new user who has these roles.
    #[track_caller]
    pub fn create_with_roles(&self, admin: &str, email: &str, roles: &Value) -> String {
        let id = self.create(admin, email);
        self.api_put(&format!("/users/{id}"), admin, &json!({"roles": roles})).expect(200);
        id
    }

    /// A new token that acts in this role.
    #[track_caller]
    pub fn login_as(&self, user: &str, password: &str, role: &str) -> String {
        self.keep_secret(password);
        let body = json!({"username": user, "password": password, "role": role});
        let answer = self.public.send(Request::post("/login").json(&body));
        let answer = answer.expect(200).json();
        answer["token"].as_str().expect("a token").to_owned()
    }
}

/// The id of what was answered.
#[track_caller]
pub fn uuid(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}
