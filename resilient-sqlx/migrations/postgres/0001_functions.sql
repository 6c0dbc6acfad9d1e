-- Instances, replicas, and a view for people. Times are whole microseconds since 1970-01-01 UTC.

create table "{prefix}_functions" (
    -- the name of the function type
    type_id text collate "C" not null,
    -- the name of the instance, chosen by the caller
    instance_id text collate "C" not null,
    -- 0 executing, 1 postponed, 2 suspended, 3 succeeded, 4 failed
    status smallint not null check (status between 0 and 4),
    -- fencing token, one higher after every claim, transition and edit
    epoch bigint not null default 0 check (epoch >= 0),
    -- the replica that runs it
    owner text collate "C",
    -- how many runs were begun
    attempts bigint not null default 0 check (attempts between 0 and 4294967295),
    -- how many runs were lost since the last progress
    crashes bigint not null default 0 check (crashes between 0 and 4294967295),
    -- when it becomes due
    due_at bigint,
    -- the version of the function it was started with
    version bigint not null check (version between 0 and 4294967295),
    -- its input, JSON text
    param text not null,
    -- the version of the input's type
    param_version bigint not null check (param_version between 0 and 4294967295),
    -- its progress, JSON text
    scrapbook text,
    -- the version of the progress's type
    scrapbook_version bigint check (scrapbook_version between 0 and 4294967295),
    -- its result, JSON text
    result text,
    -- the version of the result's type
    result_version bigint check (result_version between 0 and 4294967295),
    -- its failure, JSON text
    failure text,
    -- how many messages were ever appended
    message_count bigint not null default 0 check (message_count >= 0),
    -- when it was created
    created_at bigint not null,
    -- when it was last written
    updated_at bigint not null,
    -- when it succeeded or failed
    completed_at bigint,
    primary key (type_id, instance_id),
    check ((status = 0) = (owner is not null)),
    check ((status = 3) = (result is not null) and (result is null) = (result_version is null)),
    check ((status = 4) = (failure is not null)),
    check ((status >= 3) = (completed_at is not null)),
    check ((scrapbook is null) = (scrapbook_version is null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- what is due, for claims
create index "{prefix}_functions_due" on "{prefix}_functions" (type_id, version, due_at, instance_id)
    where status in (1, 2) and due_at is not null;

-- what runs, by its owner, for the release of what dead replicas ran
create index "{prefix}_functions_owner" on "{prefix}_functions" (owner, type_id, version) where status = 0;

-- what is completed, for listing and retention
create index "{prefix}_functions_completed" on "{prefix}_functions" (status, completed_at) where status >= 3;

create table "{prefix}_replicas" (
    -- fresh for every start of a process
    id text collate "C" primary key,
    -- the last accepted sign of life
    heartbeat_at bigint not null,
    -- how long it counts as alive after a sign of life, in microseconds
    lease bigint not null,
    -- when it started
    started_at bigint not null,
    -- the machine, for people
    host text not null,
    -- the process, for people
    pid bigint not null,
    -- the version of the application, for people
    app_version text not null
) with (fillfactor = 20);

create table "{prefix}_replica_types" (
    -- the replica that can run it
    replica_id text collate "C" not null references "{prefix}_replicas" (id) on delete cascade,
    -- the place in the replica's list
    position bigint not null,
    -- the function type
    type_id text collate "C" not null,
    -- the version of the function
    version bigint not null,
    -- how long after the owner's last sign of life an instance counts as running, in microseconds
    lease bigint not null,
    primary key (replica_id, position)
);

create view "{prefix}_overview" as
with clock (now) as (select (extract(epoch from clock_timestamp()) * 1000000)::bigint)
select
    f.type_id,
    f.instance_id,
    case f.status when 0 then 'executing' when 1 then 'postponed' when 2 then 'suspended' when 3 then 'succeeded'
        else 'failed' end as status,
    case
        when f.status = 0 and r.id is null then
            format('its owner %s is not known any more; it is taken over', f.owner)
        when f.status = 0 and t.replica_id is null then
            format('its owner %s does not run version %s of this type; it is taken over', f.owner, f.version)
        when f.status = 0 and clock.now - r.heartbeat_at > t.lease then
            format('its owner %s gave no sign of life since %s; it is taken over', f.owner,
                to_timestamp(r.heartbeat_at / 1e6))
        when f.status = 0 then format('runs on replica %s (%s@%s)', r.id, r.pid, r.host)
        when f.status = 3 then 'succeeded'
        -- the failure is text that a person may have mended, so it is not read as json here
        when f.status = 4 then
            format('failed: %s; repair it through the control panel',
                coalesce(substring(f.failure from '"message"\s*:\s*"((?:[^"\\]|\\.)*)"'), f.failure))
        when f.due_at is null then 'waits for a message'
        when f.due_at > clock.now then format('waits until %s', to_timestamp(f.due_at / 1e6))
        when runs.replicas is null then format('no live replica runs version %s of this type', f.version)
        else format('is due, and waits for a replica with a free slot that reads parameter version %s',
            f.param_version) || coalesce(format(' and scrapbook version %s', f.scrapbook_version), '')
    end as reason,
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
    to_timestamp(f.completed_at / 1e6) as completed_at
from "{prefix}_functions" as f
cross join clock
left join "{prefix}_replicas" as r on r.id = f.owner
left join lateral (
    select of.replica_id, of.lease from "{prefix}_replica_types" as of
    where of.replica_id = r.id and of.type_id = f.type_id and of.version = f.version
    limit 1
) as t on true
left join lateral (
    select 1 as replicas from "{prefix}_replicas" as live
    join "{prefix}_replica_types" as of on of.replica_id = live.id
    where of.type_id = f.type_id and of.version = f.version and clock.now - live.heartbeat_at <= live.lease
    limit 1
) as runs on true;
