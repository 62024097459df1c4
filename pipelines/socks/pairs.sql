select image
, case when (count(*)/2)*2 = count(*) then 'Pair' else 'Un-matched'
end as pair_seen
, count(*) as number_socks_seen
from sock_stream_smoothed
group by image
emit changes;
