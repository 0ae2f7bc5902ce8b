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
        lines.push(match self.demo {
            Some((user, password)) => format!("demo user         {user} / {password}"),
            None => "no demo user: `auth-service users add EMAIL --admin` makes the first one"
                .to_owned(),
        });
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

    #[test]
    fn the_frame_is_closed_and_the_lines_to_paste_stand_outside() {
        let banner = Banner {
            auth: "http://localhost:8080".to_owned(),
            business: "http://localhost:8090".to_owned(),
            internal: "http://localhost:8081".to_owned(),
            demo: Some(("a@example.com", "secret")),
        };
        let text = banner.text();
        let widths: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with(['┌', '│', '└']))
            .map(|line| line.chars().count())
            .collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
        let paste: Vec<_> = text.lines().filter(|line| line.contains("curl")).collect();
        assert_eq!(paste.len(), 2);
        assert!(paste.iter().all(|line| !line.starts_with('│')));
    }
}
