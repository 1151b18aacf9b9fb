//! The conversation as Llama 2 reads it, made before anything is judged.
//!
//! Llama 2 knows one system text and turns that alternate, so back ends join
//! what stands side by side. If messages were judged one by one, a sentence cut
//! into two of them would pass and be whole again in front of the model.
//! Therefore the input stage joins first, judges the joined turns, and hands
//! exactly those on. Used by `input` only.

use crate::domain::{Message, Role};

/// Between the texts of messages that become one turn; what `model` puts there too.
pub(super) const SEAM: &str = "\n\n";

/// Messages that the model reads as one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where the first of them stands in the request.
    pub index: u32,
    pub message: Message,
}

/// Joins system and developer messages, wherever they stand, into one system
/// text in front, and neighbours of one role into one turn. A turn of several
/// participants has no name.
pub(super) fn of(messages: Vec<Message>) -> Vec<Turn> {
    let mut system: Option<Turn> = None;
    let mut turns: Vec<Turn> = Vec::new();
    for (index, message) in (0u32..).zip(messages) {
        let before = match message.role {
            Role::System | Role::Developer => system.as_mut(),
            role => turns.last_mut().filter(|last| last.message.role == role),
        };
        match (before, message.role) {
            (Some(turn), _) => join(&mut turn.message, message),
            (None, Role::System | Role::Developer) => system = Some(Turn { index, message }),
            (None, _) => turns.push(Turn { index, message }),
        }
    }
    turns.splice(0..0, system);
    turns
}

fn join(turn: &mut Message, message: Message) {
    if !turn.text.is_empty() {
        turn.text.push_str(SEAM);
    }
    turn.text.push_str(&message.text);
    if turn.name != message.name {
        turn.name = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_reads_as_one_becomes_one() {
        use Role::{Assistant, Developer, System, Tool, User};
        let messages = [
            (User, "a pipe"),
            (System, "be kind"),
            (User, "bomb"),
            (Assistant, "no"),
            (Developer, "be short"),
            (Tool, "42"),
            (User, ""),
            (User, "thanks"),
        ];
        let messages = messages.map(|(role, text)| Message::new(role, text));
        let turns = of(messages.to_vec());
        let seen: Vec<_> = turns
            .iter()
            .map(|turn| (turn.index, turn.message.role, turn.message.text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                (1, System, "be kind\n\nbe short"),
                (0, User, "a pipe\n\nbomb"),
                (3, Assistant, "no"),
                (5, Tool, "42"),
                (6, User, "thanks"),
            ]
        );
    }

    #[test]
    fn a_turn_of_two_participants_has_no_name() {
        let named =
            |name: &str| Message { name: Some(name.to_owned()), ..Message::new(Role::User, "hi") };
        assert_eq!(of(vec![named("ann"), named("ann")])[0].message.name.as_deref(), Some("ann"));
        assert_eq!(of(vec![named("ann"), named("bob")])[0].message.name, None);
    }
}
