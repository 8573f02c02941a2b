using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Storage.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class RuntimeMeasurements : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<string>(
                name: "MeasurementFault",
                table: "Evidence",
                type: "TEXT",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "Measurements",
                table: "Evidence",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "MeasurementProgress",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    ResetCount = table.Column<long>(type: "INTEGER", nullable: false),
                    RestartCount = table.Column<long>(type: "INTEGER", nullable: false),
                    Bank = table.Column<int>(type: "INTEGER", nullable: false),
                    Position = table.Column<int>(type: "INTEGER", nullable: false),
                    Pcr = table.Column<byte[]>(type: "BLOB", nullable: false),
                    Bytes = table.Column<long>(type: "INTEGER", nullable: false),
                    Standings = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_MeasurementProgress", x => x.HostId);
                    table.ForeignKey(
                        name: "FK_MeasurementProgress_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "MeasurementSegments",
                columns: table => new
                {
                    HostId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Start = table.Column<int>(type: "INTEGER", nullable: false),
                    Content = table.Column<byte[]>(type: "BLOB", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_MeasurementSegments", x => new { x.HostId, x.Start });
                    table.ForeignKey(
                        name: "FK_MeasurementSegments_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "MeasurementProgress");

            migrationBuilder.DropTable(
                name: "MeasurementSegments");

            migrationBuilder.DropColumn(
                name: "MeasurementFault",
                table: "Evidence");

            migrationBuilder.DropColumn(
                name: "Measurements",
                table: "Evidence");
        }
    }
}
