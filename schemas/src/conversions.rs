//! Which events count as conversions: configuration, because it differs from shop to shop.

use serde::{Deserialize, Serialize};

use crate::{ConversionKind, ConversionName, Source, Text};

/// One line of the configuration: events of this source and type are conversions of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversionDefinition {
    /// Name that analysts see: `order`, `sale`, `lead`, `won`.
    pub name: Text,
    /// Source of the event.
    pub source: Source,
    /// Type of the event, in snake_case.
    pub event_type: Text,
    /// Conversion, or the refund of one.
    #[serde(default = "conversion")]
    pub kind: ConversionKind,
}

/// All definitions. At most one for each (source, event type).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<ConversionDefinition>", into = "Vec<ConversionDefinition>")]
pub struct ConversionDefinitions {
    definitions: Vec<ConversionDefinition>,
}

/// Definitions that contradict one another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// The same events would be two conversions.
    #[error("`{event_type}` of {source_name} is defined as a conversion twice")]
    Repeated {
        /// Source of the event.
        source_name: &'static str,
        /// Type of the event.
        event_type: Text,
    },
    /// Advertising cost has no customer.
    #[error("conversion `{name}` is defined on ad_spend, which names no person")]
    NoPerson {
        /// Name of the conversion.
        name: Text,
    },
    /// A part of a definition is empty.
    #[error("a conversion's name and event_type must not be empty")]
    Empty,
}

impl ConversionDefinitions {
    /// Checks and keeps definitions.
    pub fn new(definitions: Vec<ConversionDefinition>) -> Result<Self, ConversionError> {
        for (index, definition) in definitions.iter().enumerate() {
            if definition.name.is_empty() || definition.event_type.is_empty() {
                return Err(ConversionError::Empty);
            }
            if definition.source == Source::AdSpend {
                return Err(ConversionError::NoPerson { name: definition.name.clone() });
            }
            let same = |other: &ConversionDefinition| {
                other.source == definition.source && other.event_type == definition.event_type
            };
            if definitions[..index].iter().any(same) {
                return Err(ConversionError::Repeated {
                    source_name: definition.source.as_str(),
                    event_type: definition.event_type.clone(),
                });
            }
        }
        Ok(Self { definitions })
    }

    /// Which conversion an event is, if any.
    pub fn find(&self, source: Source, event_type: &str) -> Option<ConversionName> {
        self.definitions
            .iter()
            .find(|definition| definition.source == source && definition.event_type == event_type)
            .map(|definition| ConversionName { name: definition.name.clone(), kind: definition.kind })
    }

    /// The definitions, as configured.
    pub fn iter(&self) -> impl Iterator<Item = &ConversionDefinition> {
        self.definitions.iter()
    }
}

impl Default for ConversionDefinitions {
    /// Orders of the shop, sales at the till, leads from forms, deals won in the CRM; refunds of the first two.
    fn default() -> Self {
        let define = |name, source, event_type, kind| ConversionDefinition {
            name: Text::const_new(name),
            source,
            event_type: Text::const_new(event_type),
            kind,
        };
        Self {
            definitions: vec![
                define("order", Source::Web, "order_completed", ConversionKind::Conversion),
                define("order", Source::Web, "order_refunded", ConversionKind::Refund),
                define("sale", Source::Pos, "sale", ConversionKind::Conversion),
                define("sale", Source::Pos, "refund", ConversionKind::Refund),
                define("lead", Source::Form, "form_submitted", ConversionKind::Conversion),
                define("won", Source::Crm, "won", ConversionKind::Conversion),
            ],
        }
    }
}

impl TryFrom<Vec<ConversionDefinition>> for ConversionDefinitions {
    type Error = ConversionError;

    fn try_from(definitions: Vec<ConversionDefinition>) -> Result<Self, Self::Error> {
        Self::new(definitions)
    }
}

impl From<ConversionDefinitions> for Vec<ConversionDefinition> {
    fn from(definitions: ConversionDefinitions) -> Self {
        definitions.definitions
    }
}

fn conversion() -> ConversionKind {
    ConversionKind::Conversion
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Config {
        conversions: ConversionDefinitions,
    }

    #[test]
    fn the_defaults_agree_with_their_own_rules() {
        let defaults = ConversionDefinitions::default();
        assert_eq!(ConversionDefinitions::new(defaults.definitions.clone()), Ok(defaults));
    }

    #[test]
    fn configured_as_a_list_of_tables() {
        let text = "[[conversions]]\nname = \"trial\"\nsource = \"web\"\nevent_type = \"trial_started\"\n";
        let config: Config = toml::from_str(text).unwrap();
        let found = config.conversions.find(Source::Web, "trial_started").unwrap();
        assert_eq!((found.name.as_str(), found.kind), ("trial", ConversionKind::Conversion));
        assert_eq!(config.conversions.find(Source::Pos, "trial_started"), None);
    }

    #[test]
    fn contradictions_are_errors() {
        let line = "[[conversions]]\nname = \"a\"\nsource = \"web\"\nevent_type = \"x\"\n";
        let twice = toml::from_str::<Config>(&format!("{line}{line}")).unwrap_err().to_string();
        assert!(twice.contains("`x` of web is defined as a conversion twice"), "{twice}");
        let spend = toml::from_str::<Config>(&line.replace("web", "ad_spend")).unwrap_err().to_string();
        assert!(spend.contains("names no person"), "{spend}");
        assert!(toml::from_str::<Config>(&line.replace("name", "nmae")).is_err());
    }
}
