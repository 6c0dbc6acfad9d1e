-- Whose child an instance is: retention keeps the result of a child as long as its parent may ask for it. The view also
-- says that nobody could go on with what waits.

-- the instance that has begun it as its child; neither is in an index
alter table "{prefix}_functions" add column parent_type_id text;
alter table "{prefix}_functions" add column parent_instance_id text;

drop view "{prefix}_overview";

create view "{prefix}_overview" as
with clock (now) as (select cast(unixepoch('subsec') * 1000000 as integer)),
takers as (
    select runs.type_id, runs.version, runs.reads_param, runs.reads_scrapbook
    from "{prefix}_replicas" as live join "{prefix}_replica_types" as runs on runs.replica_id = live.id cross join clock
    where runs.reads_param is not null and clock.now - live.heartbeat_at <= live.lease
)
select
    f.type_id,
    f.instance_id,
    case f.status when 0 then 'executing' when 1 then 'postponed' when 2 then 'suspended' when 3 then 'succeeded'
        else 'failed' end as status,
    -- what stands, why nobody goes on or what is next, and why it is due, each behind `; `
    substr(coalesce('; ' || case
        when f.status = 0 and r.id is null then 'its owner ' || f.owner || ' is not known any more'
        when f.status = 0 and t.replica_id is null then
            'its owner ' || f.owner || ' does not run version ' || f.version || ' of this type'
        when f.status = 0 and clock.now - r.heartbeat_at > t.lease then
            'its owner ' || f.owner || ' gave no sign of life since '
            || strftime('%Y-%m-%d %H:%M:%f', r.heartbeat_at / 1e6, 'unixepoch')
        when f.status = 0 then
            'runs on replica ' || r.id || ' (' || r.pid || '@' || r.host || ')'
        when f.status = 3 then 'succeeded'
        when f.status = 4 then
            'failed: ' || coalesce(case when json_valid(f.failure) then f.failure ->> '$.message' end, f.failure)
            || '; repair it through the control panel'
        when f.due_at is null then coalesce(f.reason, 'waits for a message')
        when f.due_at > clock.now then
            coalesce(f.reason || '; due at ',
                case f.status when 2 then 'waits for a message until ' else 'waits until ' end)
            || strftime('%Y-%m-%d %H:%M:%f', f.due_at / 1e6, 'unixepoch')
    end, '') || coalesce('; ' || case
        when f.status < 3 and not (f.status = 0 and coalesce(clock.now - r.heartbeat_at <= t.lease, 0)) then coalesce(
            (select case
                when count(*) = 0 then 'no live replica runs this type; start one that registers it and takes work'
                when count(*) filter (where t.version = f.version) = 0 then
                    'no live replica runs version ' || f.version || ' of this type'
                when count(*) filter (where t.version = f.version and t.reads_param >= f.param_version) = 0 then
                    'no live replica reads parameter version ' || f.param_version || ' of this type'
                when count(*) filter (where t.version = f.version and t.reads_param >= f.param_version
                    and t.reads_scrapbook >= coalesce(f.scrapbook_version, 0)) = 0 then
                    'no live replica reads scrapbook version ' || f.scrapbook_version || ' of this type'
            end from takers as t where t.type_id = f.type_id),
            case
                when f.status = 0 then 'it is taken over'
                when f.due_at <= clock.now then
                    'is due, and waits for a replica with a free slot that reads parameter version '
                    || f.param_version || coalesce(' and scrapbook version ' || f.scrapbook_version, '')
            end)
    end, '') || coalesce('; ' || case
        -- what a run has said that was suspended is not so any more
        when f.status = 2 and f.due_at = f.updated_at then 'a message came'
        when f.status = 1 and f.due_at <= clock.now then f.reason
    end, '') || case when f.cancel_requested = 1 and f.status <= 2 then '; asked to end' else '' end, 3) as reason,
    f.epoch,
    f.attempts,
    f.crashes,
    f.owner,
    f.version,
    f.param_version,
    f.scrapbook_version,
    strftime('%Y-%m-%d %H:%M:%f', f.due_at / 1e6, 'unixepoch') as due_at,
    strftime('%Y-%m-%d %H:%M:%f', f.created_at / 1e6, 'unixepoch') as created_at,
    strftime('%Y-%m-%d %H:%M:%f', f.updated_at / 1e6, 'unixepoch') as updated_at,
    strftime('%Y-%m-%d %H:%M:%f', f.completed_at / 1e6, 'unixepoch') as completed_at,
    f.message_count as messages,
    f.parent_type_id,
    f.parent_instance_id
from "{prefix}_functions" as f
cross join clock
left join "{prefix}_replicas" as r on r.id = f.owner
left join "{prefix}_replica_types" as t
    on t.replica_id = r.id and t.type_id = f.type_id and t.version = f.version;
