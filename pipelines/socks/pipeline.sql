-- From the camera's messages to pairs of socks. The demo puts the folder of its own credentials in the place of /scripts.

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

create stream sock_stream(image varchar, probability double)
with (kafka_topic='data_mqtt', value_format='json');

-- Pictures of the wall are no socks. (The slide compares with 'blank'; the camera writes 'Blank', and text is compared to the letter.)
create stream sock_stream_without_blanks as
select image
from sock_stream
where image != 'Blank';

-- A sock that was seen four times or more in five seconds was there; one that was seen less was a mistake.
create table sock_stream_smoothed as
select image
, timestamptoString(windowstart(), 'hh:mm:ss') as last_seen
, windowstart() as window_start
from sock_stream_without_blanks
window tumbling (size 5 seconds)
group by image having count(*) > 3
emit changes;
