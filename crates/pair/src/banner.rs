//! The block that greets whoever starts the pair on a terminal: where it listens, who may log in,
//! and two lines to paste.

use std::fmt::Write as _;

/// What the block tells.
pub(crate) struct Banner {
    /// Where people reach the auth service.
    pub(crate) auth: String,
    /// Where people reach the business service.
    pub(crate) business: String,
    /// Where backends ask.
    pub(crate) internal: String,
    /// The demo user and its password, where it exists.
    pub(crate) demo: Option<(&'static str, &'static str)>,
    /// Whether users are gone with the process.
    pub(crate) users_in_memory: bool,
}

impl Banner {
    /// The block, framed, and below it the lines to paste, which no frame may break.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            "Reinflate: tokens that stay alive while they are used".to_owned(),
            String::new(),
            format!("auth-service      {}", self.auth),
            format!("business-service  {}", self.business),
            format!("internal          {}", self.internal),
        ];
        match self.demo {
            Some((user, password)) => {
                lines.push(format!("demo user         {user} / {password}"));
            }
            None => lines.extend(first_user(self.users_in_memory).map(str::to_owned)),
        }
        let mut text = framed(&lines);
        if let Some((user, password)) = self.demo {
            let _ = write!(
                text,
                "\nLog in, then use the token; used within 30 s it lives on, left alone it dies:\n\n\
                 TOKEN=$(curl -s {}/login -H 'Content-Type: application/json' \
                 -d '{{\"username\":\"{user}\",\"password\":\"{password}\"}}' \
                 | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')\n\
                 curl -s {}/data -H \"Authorization: Bearer $TOKEN\"\n\n",
                self.auth, self.business
            );
        }
        text
    }
}

/// How the first user is made. Another process cannot make one in our memory.
const fn first_user(users_in_memory: bool) -> [&'static str; 2] {
    if users_in_memory {
        [
            "no demo user, and users are in memory: set AUTH_DATABASE_URL (e.g. sqlite:reinflate.db),",
            "make the first one with `auth-service users add EMAIL --admin`, and start again",
        ]
    } else {
        [
            "no demo user: `auth-service users add EMAIL --admin`, with the same AUTH_DATABASE_URL,",
            "makes the first one",
        ]
    }
}

fn framed(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let rule = "─".repeat(width + 2);
    let mut text = format!("┌{rule}┐\n");
    for line in lines {
        let padding = " ".repeat(width - line.chars().count());
        // Writing to a String does not fail.
        let _ = writeln!(text, "│ {line}{padding} │");
    }
    let _ = writeln!(text, "└{rule}┘");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(demo: Option<(&'static str, &'static str)>, users_in_memory: bool) -> String {
        let banner = Banner {
            auth: "http://localhost:8080".to_owned(),
            business: "http://localhost:8090".to_owned(),
            internal: "http://localhost:8081".to_owned(),
            demo,
            users_in_memory,
        };
        let text = banner.text();
        let frame = text.lines().filter(|line| line.starts_with(['┌', '│', '└']));
        let widths: Vec<_> = frame.map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        text
    }

    #[test]
    fn the_frame_is_closed_and_the_lines_to_paste_stand_outside() {
        let text = text(Some(("a@example.com", "secret")), true);
        let paste: Vec<_> = text.lines().filter(|line| line.contains("curl")).collect();
        assert_eq!(paste.len(), 2);
        assert!(paste.iter().all(|line| !line.starts_with('│')));
    }

    #[test]
    fn a_first_user_is_made_in_a_database_that_outlives_the_command() {
        let memory = text(None, true);
        let steps =
            ["in memory", "set AUTH_DATABASE_URL", "users add EMAIL --admin", "start again"];
        let found: Vec<_> = steps.iter().filter_map(|step| memory.find(step)).collect();
        assert!(found.len() == steps.len() && found.is_sorted(), "{memory}");
        let text = text(None, false);
        assert!(text.contains("users add EMAIL --admin") && !text.contains("in memory"), "{text}");
    }
}
