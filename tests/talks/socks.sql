-- Pairing socks with ksqlDB, Kafka and Kafka Connect: the slides, lower case and all.
CREATE SOURCE CONNECTOR `mqtt-source` WITH(
  "connector.class"='io.confluent.connect.mqtt.MqttSourceConnector',
  "mqtt.server.uri"='${file:/scripts/credentials.properties:MQTT_URI}',
  "mqtt.username"='${file:/scripts/credentials.properties:MQTT_USERNAME}',
  "mqtt.password"='${file:/scripts/credentials.properties:MQTT_PASSWORD}',
  "mqtt.topics"='sockfound',
  "kafka.topic"='data_mqtt',
  "key.converter"='org.apache.kafka.connect.storage.StringConverter',
  "value.converter"='org.apache.kafka.connect.converters.ByteArrayConverter',
  "tasks.max"='1',
  "confluent.topic.bootstrap.servers"='kafka:29092',
  "confluent.topic.replication.factor"='1'
);

print 'data_mqtt';

create stream sock_stream(image varchar, probability double)
with (kafka_topic='data_mqtt', value_format='json');

create table sock_stream_smoothed as
select image
, timestamptoString(windowstart(), 'hh:mm:ss') as last_seen
, windowstart() as window_start
from sock_stream
window tumbling (size 5 seconds)
group by image having count(*) > 3
emit changes;

create stream sock_stream_without_blanks as
select image
from sock_stream
where image != 'blank';

select image
, case when (count(*)/2)*2 = count(*) then 'Pair' else 'Un-matched'
end as pair_seen
, count(*) as number_socks_seen
from sock_stream_smoothed
group by image
emit changes;
