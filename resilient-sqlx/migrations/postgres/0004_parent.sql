-- Whose child an instance is: retention keeps the result of a child as long as its parent may ask for it. The view also
-- says that nobody could go on with what waits.

-- the instance that has begun it as its child; neither is in an index
alter table "{prefix}_functions"
    add column parent_type_id text collate "C",
    add column parent_instance_id text collate "C";

create or replace view "{prefix}_overview" as
with clock (now) as (select (extract(epoch from clock_timestamp()) * 1000000)::bigint),
takers as (
    select of.type_id, of.version, of.reads_param, of.reads_scrapbook
    from "{prefix}_replicas" as live join "{prefix}_replica_types" as of on of.replica_id = live.id cross join clock
    where of.reads_param is not null and clock.now - live.heartbeat_at <= live.lease
)
select
    f.type_id,
    f.instance_id,
    case f.status when 0 then 'executing' when 1 then 'postponed' when 2 then 'suspended' when 3 then 'succeeded'
        else 'failed' end as status,
    concat_ws('; ',
        case
            when f.status = 0 and r.id is null then format('its owner %s is not known any more', f.owner)
            when f.status = 0 and t.replica_id is null then
                format('its owner %s does not run version %s of this type', f.owner, f.version)
            when f.status = 0 and clock.now - r.heartbeat_at > t.lease then
                format('its owner %s gave no sign of life since %s', f.owner, to_timestamp(r.heartbeat_at / 1e6))
            when f.status = 0 then format('runs on replica %s (%s@%s)', r.id, r.pid, r.host)
            when f.status = 3 then 'succeeded'
            -- the failure is text that a person may have mended, so it is not read as json here
            when f.status = 4 then
                format('failed: %s; repair it through the control panel',
                    coalesce(substring(f.failure from '"message"\s*:\s*"((?:[^"\\]|\\.)*)"'), f.failure))
            when f.due_at is null then coalesce(f.reason, 'waits for a message')
            when f.due_at > clock.now then
                coalesce(f.reason || '; due at ',
                    case f.status when 2 then 'waits for a message until ' else 'waits until ' end)
                || to_timestamp(f.due_at / 1e6)
        end,
        case
            when f.status >= 3 or f.status = 0 and clock.now - r.heartbeat_at <= t.lease then null
            when can.obstacle is not null then can.obstacle
            when f.status = 0 then 'it is taken over'
            when f.due_at <= clock.now then
                format('is due, and waits for a replica with a free slot that reads parameter version %s',
                    f.param_version) || coalesce(' and scrapbook version ' || f.scrapbook_version, '')
        end,
        -- why it is due; what a run has said that was suspended is not so any more
        case
            when f.status = 2 and f.due_at = f.updated_at then 'a message came'
            when f.status = 1 and f.due_at <= clock.now then f.reason
        end,
        case when f.cancel_requested = 1 and f.status <= 2 then 'asked to end' end) as reason,
    f.epoch,
    f.attempts,
    f.crashes,
    f.owner,
    f.version,
    f.param_version,
    f.scrapbook_version,
    to_timestamp(f.due_at / 1e6) as due_at,
    to_timestamp(f.created_at / 1e6) as created_at,
    to_timestamp(f.updated_at / 1e6) as updated_at,
    to_timestamp(f.completed_at / 1e6) as completed_at,
    f.message_count as messages,
    f.parent_type_id,
    f.parent_instance_id
from "{prefix}_functions" as f
cross join clock
left join "{prefix}_replicas" as r on r.id = f.owner
left join lateral (
    select of.replica_id, of.lease from "{prefix}_replica_types" as of
    where of.replica_id = r.id and of.type_id = f.type_id and of.version = f.version
    limit 1
) as t on true
left join lateral (
    select case
        when count(*) = 0 then 'no live replica runs this type; start one that registers it and takes work'
        when count(*) filter (where version = f.version) = 0 then
            format('no live replica runs version %s of this type', f.version)
        when count(*) filter (where version = f.version and reads_param >= f.param_version) = 0 then
            format('no live replica reads parameter version %s of this type', f.param_version)
        when count(*) filter (where version = f.version and reads_param >= f.param_version
            and reads_scrapbook >= coalesce(f.scrapbook_version, 0)) = 0 then
            format('no live replica reads scrapbook version %s of this type', f.scrapbook_version)
    end as obstacle
    from takers where takers.type_id = f.type_id
) as can on true;
