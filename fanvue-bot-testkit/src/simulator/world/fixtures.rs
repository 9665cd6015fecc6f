//! A small populated world, in which every nullable field is null at least once.

use uuid::Uuid;

use super::World;
use super::error::ApiError;
use super::media::{MediaStatus, MediaType};
use super::message::{FanMessage, MessageKind, NewMessage};
use super::people::Contact;
use super::time::Moment;

/// Who lives in the populated world.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixture {
    /// A creator with media, lists, templates and a little history.
    pub luna: Uuid,
    /// A creator with nothing at all.
    pub nova: Uuid,
    /// An agency that manages both.
    pub agency: Uuid,
    /// Fans who have written to `luna`: a subscriber with everything filled in, and a follower
    /// with nothing that may be missing.
    pub fans: Vec<Uuid>,
    /// A fan who is listed but cannot be contacted.
    pub unreachable: Uuid,
    /// A fan without a chat.
    pub stranger: Uuid,
    /// An image of `luna`'s that is ready.
    pub image: Uuid,
}

impl World {
    /// Adds the people of [`Fixture`] and a short history between them, of which one message has
    /// a type that no client knows.
    ///
    /// # Errors
    ///
    /// None in a new world.
    pub fn populate(&mut self, now: Moment) -> Result<Fixture, ApiError> {
        let start = now.minus(3_600_000);
        let luna = self.add_creator("luna-example", "Luna", start);
        let nova = self.add_creator("nova-example", "Nova", start);
        let agency = self.add_agency("agency-example", &[luna, nova], start);
        if let Some(account) = self.creator_mut(luna) {
            account.bio = Some("hello".to_owned());
            account.avatar_url = Some("https://cdn.example.test/luna.jpg".to_owned());
            account.updated_at = Some(now);
        }
        let image = self.add_media(luna, MediaType::Image, start);
        if let Some(media) = self.media_mut(image) {
            media.name = Some("beach".to_owned());
            media.recommended_price = Some(500);
        }
        let unready = self.add_media(luna, MediaType::Video, start);
        if let Some(media) = self.media_mut(unready) {
            media.status = MediaStatus::Processing;
        }
        self.add_template(luna, Some("thank you so much"), Some("thanks"));
        self.add_template(luna, None, None);
        self.create_folder(luna, "summer", start)?;
        self.add_to_folder(luna, "summer", &[image])?;

        let one = self.add_fan("fan-one", "Fan One", start);
        let two = self.add_fan("fan-two", "Fan Two", start);
        let unreachable = self.add_fan("fan-gone", "Fan Gone", start);
        let stranger = self.add_fan("fan-new", "Fan New", start);
        if let Some(fan) = self.fan_mut(one) {
            fan.avatar_url = Some("https://cdn.example.test/one.jpg".to_owned());
            fan.online = true;
            fan.last_seen_at = Some(now);
        }
        self.follow(luna, one, start)?;
        self.subscribe(luna, one, 999, start.plus(60_000))?;
        self.follow(luna, two, start)?;
        self.fan_writes(luna, one, "hi Luna", start.plus(120_000))?;
        self.human_writes(luna, one, "hey you", None, start.plus(180_000))?;
        let priced = NewMessage::text("look").with_media(vec![image]).priced(500);
        let priced = self.human_writes(luna, one, priced, None, start.plus(190_000))?;
        self.fan_purchases(luna, one, priced, start.plus(240_000))?;
        self.fan_tips(luna, one, 2000, None, start.plus(250_000))?;
        let unknown =
            FanMessage::text("from the future").kind(MessageKind::Other("HOLOGRAM_CALL".into()));
        self.fan_writes(luna, one, unknown, start.plus(260_000))?;
        self.fan_writes(luna, two, "are you there?", start.plus(300_000))?;
        self.fan_writes(luna, unreachable, "bye", start.plus(310_000))?;
        self.set_contact(luna, unreachable, Contact::Refused);
        let friends = self.create_list(luna, "no bot", start)?;
        self.add_list_members(luna, friends, &[two])?;
        Ok(Fixture {
            luna,
            nova,
            agency,
            fans: vec![one, two],
            unreachable,
            stranger,
            image,
        })
    }
}
