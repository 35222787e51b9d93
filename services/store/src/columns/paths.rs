use schemas::{AttributionPath, Model, PathTouch};

use super::{Columns, Encoded};
use crate::Result;

pub(crate) fn paths(rows: &[AttributionPath]) -> Result<Encoded> {
    let mut c = Columns::new("attribution_paths", rows.len());
    c.uuid("topic_id", rows.iter().map(|r| r.conversion.position.topic_id.as_u128()));
    c.i32("partition", rows.iter().map(|r| r.conversion.position.partition));
    c.i64("offset", rows.iter().map(|r| r.conversion.position.offset));
    c.u16("ordinal", rows.iter().map(|r| r.conversion.ordinal));
    c.uuid("identity_key", rows.iter().map(|r| r.conversion.identity_key.0));
    c.uuid("customer_id", rows.iter().map(|r| r.customer_id.0));
    c.low("source", rows.iter().map(|r| &r.conversion.source));
    c.text("event_id", rows.iter().map(|r| &r.conversion.event_id));
    c.low("name", rows.iter().map(|r| &r.conversion.name));
    c.low("kind", rows.iter().map(|r| &r.conversion.kind));
    c.text("order_id", rows.iter().map(|r| &r.conversion.order_id));
    c.time("conversion_time", rows.iter().map(|r| r.conversion.conversion_time_ms));
    c.i64("value_minor", rows.iter().map(|r| r.conversion.value_minor));
    c.low("currency", rows.iter().map(|r| &r.conversion.currency));
    touches(&mut c, rows)?;
    for (index, model) in Model::ALL.into_iter().enumerate() {
        let name = format!("credit_{}", model.as_str());
        c.i64s(&name, rows.iter().map(|r| r.touches.iter().map(move |t| t.credit_minor[index])));
    }
    for (index, model) in Model::ALL.into_iter().enumerate() {
        let name = format!("share_{}", model.as_str());
        c.u32s(&name, rows.iter().map(|r| r.touches.iter().map(move |t| t.share_ppm[index])));
    }
    c.u128("version", rows.iter().map(|r| r.version));
    c.encode()
}

fn touches(c: &mut Columns, rows: &[AttributionPath]) -> Result<()> {
    // One list a row, of one value a touch.
    fn each<'a, T: 'a>(
        rows: &'a [AttributionPath],
        value: impl Fn(&'a PathTouch) -> T + Copy + 'a,
    ) -> impl Iterator<Item = impl Iterator<Item = T> + 'a> + 'a {
        rows.iter().map(move |row| row.touches.iter().map(value))
    }
    c.times("touch_time", each(rows, |t| t.touch.touch_time_ms));
    c.uuids("touch_identity_key", each(rows, |t| t.touch.identity_key.0))?;
    c.uuids("touch_topic_id", each(rows, |t| t.touch.position.topic_id.as_u128()))?;
    c.i32s("touch_partition", each(rows, |t| t.touch.position.partition));
    c.i64s("touch_offset", each(rows, |t| t.touch.position.offset));
    c.u16s("touch_ordinal", each(rows, |t| t.touch.ordinal));
    c.texts("touch_kind", each(rows, |t| &t.touch.kind));
    c.texts("touch_channel", each(rows, |t| &t.touch.channel));
    c.texts("touch_source", each(rows, |t| &t.touch.campaign_source));
    c.texts("touch_medium", each(rows, |t| &t.touch.campaign_medium));
    c.texts("touch_campaign", each(rows, |t| &t.touch.campaign));
    Ok(())
}
