import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.UUID;

/** The official driver, with its default compression and without. */
public class Jdbc {
    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void fails(Statement statement, String query, int code) {
        try (ResultSet rows = statement.executeQuery(query)) {
            while (rows.next()) {}
        } catch (SQLException error) {
            check(error.getErrorCode() == code, query + ": " + error);
            return;
        }
        throw new AssertionError(query + " did not fail");
    }

    public static void main(String[] arguments) throws Exception {
        for (String options : new String[] {"", "?compress=0", "?decompress=1"}) {
            String url = "jdbc:clickhouse://127.0.0.1:" + arguments[0] + "/default" + options;
            try (Connection connection = DriverManager.getConnection(url, "default", "");
                    Statement statement = connection.createStatement()) {
                use(connection, statement);
            }
        }
    }

    static void use(Connection connection, Statement statement) throws SQLException {
        statement.execute("CREATE DATABASE IF NOT EXISTS jdbc");
        statement.execute("DROP TABLE IF EXISTS jdbc.t");
        statement.execute(
                "CREATE TABLE jdbc.t (n UInt64, s String, at DateTime64(3, 'UTC'), id UUID, maybe Nullable(Int32))"
                        + " ENGINE = MergeTree ORDER BY n");
        int batch = 5000;
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc.t VALUES (?, ?, ?, ?, ?)")) {
            for (int i = 0; i < batch; i++) {
                insert.setLong(1, i);
                insert.setString(2, "x;\n\n'" + i);
                insert.setTimestamp(3, new Timestamp(1700000000000L + i));
                insert.setObject(4, new UUID(1, i));
                insert.setObject(5, i % 2 == 0 ? null : i);
                insert.addBatch();
            }
            check(insert.executeBatch().length == batch, "batch");
        }
        String totals = "SELECT count(), countIf(s = concat('x;\\n\\n\\'', toString(n))), count(maybe) FROM jdbc.t";
        try (ResultSet row = statement.executeQuery(totals)) {
            check(row.next() && row.getLong(1) == batch && row.getLong(2) == batch && row.getLong(3) == batch / 2, "totals");
        }
        try (ResultSet rows = statement.executeQuery("SELECT * FROM jdbc.t ORDER BY n")) {
            for (int i = 0; rows.next(); i++) {
                check(rows.getLong(1) == i && rows.getString(2).equals("x;\n\n'" + i), "row " + i);
                check(rows.getObject(4).equals(new UUID(1, i)), "id " + i);
            }
        }
        long sum = 0;
        try (ResultSet rows = statement.executeQuery("SELECT number, toString(number) FROM numbers(1000000)")) {
            while (rows.next()) sum += rows.getLong(1) + rows.getString(2).length();
        }
        check(sum == 499999500000L + 5888890L, "a million rows: " + sum);
        try (PreparedStatement query = connection.prepareStatement("SELECT ?, ?")) {
            query.setString(1, "it's");
            query.setInt(2, 5);
            try (ResultSet row = query.executeQuery()) {
                check(row.next() && row.getString(1).equals("it's") && row.getInt(2) == 5, "parameters");
            }
        }
        int columns = 0;
        try (ResultSet names = connection.getMetaData().getColumns(null, "jdbc", "t", null)) {
            while (names.next()) columns++;
        }
        check(columns == 5, "columns");
        fails(statement, "SELECT nope", 47);
        fails(statement, "SELECT throwIf(number = 3) FROM numbers(5)", 395);
    }
}
