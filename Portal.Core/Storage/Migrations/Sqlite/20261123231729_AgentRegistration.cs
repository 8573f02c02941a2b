using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Storage.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class AgentRegistration : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "AgentAuthorities",
                columns: table => new
                {
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    Certificate = table.Column<byte[]>(type: "BLOB", nullable: false),
                    ProtectedKey = table.Column<byte[]>(type: "BLOB", nullable: false),
                    CreatedAt = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_AgentAuthorities", x => x.Id);
                });

            migrationBuilder.CreateTable(
                name: "RegisteredAttesters",
                columns: table => new
                {
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    AgentId = table.Column<string>(type: "TEXT", nullable: false),
                    EndorsementKey = table.Column<byte[]>(type: "BLOB", nullable: false),
                    EndorsementHash = table.Column<string>(type: "TEXT", nullable: false),
                    EndorsementCertificate = table.Column<byte[]>(type: "BLOB", nullable: true),
                    AttestationKey = table.Column<byte[]>(type: "BLOB", nullable: false),
                    KeyName = table.Column<string>(type: "TEXT", nullable: false),
                    ServerCertificate = table.Column<byte[]>(type: "BLOB", nullable: true),
                    Address = table.Column<string>(type: "TEXT", nullable: false),
                    Port = table.Column<int>(type: "INTEGER", nullable: false),
                    SeenFrom = table.Column<string>(type: "TEXT", nullable: false),
                    FirstSeenAt = table.Column<long>(type: "INTEGER", nullable: false),
                    LastSeenAt = table.Column<long>(type: "INTEGER", nullable: false),
                    Count = table.Column<int>(type: "INTEGER", nullable: false),
                    Status = table.Column<int>(type: "INTEGER", nullable: false),
                    HostId = table.Column<Guid>(type: "TEXT", nullable: true),
                    Replaces = table.Column<bool>(type: "INTEGER", nullable: false),
                    Why = table.Column<string>(type: "TEXT", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_RegisteredAttesters", x => x.Id);
                    table.ForeignKey(
                        name: "FK_RegisteredAttesters_Hosts_HostId",
                        column: x => x.HostId,
                        principalTable: "Hosts",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "VendorRoots",
                columns: table => new
                {
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    Certificate = table.Column<byte[]>(type: "BLOB", nullable: false),
                    Fingerprint = table.Column<string>(type: "TEXT", nullable: false),
                    Subject = table.Column<string>(type: "TEXT", nullable: false),
                    IsRoot = table.Column<bool>(type: "INTEGER", nullable: false),
                    NotAfter = table.Column<long>(type: "INTEGER", nullable: false),
                    Issuer = table.Column<string>(type: "TEXT", nullable: false),
                    ProposerSubject = table.Column<string>(type: "TEXT", nullable: false),
                    ProposedBy = table.Column<string>(type: "TEXT", nullable: false),
                    ProposedAt = table.Column<long>(type: "INTEGER", nullable: false),
                    ConfirmedBy = table.Column<string>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_VendorRoots", x => x.Id);
                });

            migrationBuilder.CreateTable(
                name: "AttesterAcceptances",
                columns: table => new
                {
                    RegistrationId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Issuer = table.Column<string>(type: "TEXT", nullable: false),
                    Subject = table.Column<string>(type: "TEXT", nullable: false),
                    PersonName = table.Column<string>(type: "TEXT", nullable: false),
                    EndorsementHash = table.Column<string>(type: "TEXT", nullable: false),
                    At = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_AttesterAcceptances", x => new { x.RegistrationId, x.Issuer, x.Subject });
                    table.ForeignKey(
                        name: "FK_AttesterAcceptances_RegisteredAttesters_RegistrationId",
                        column: x => x.RegistrationId,
                        principalTable: "RegisteredAttesters",
                        principalColumn: "Id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "IX_RegisteredAttesters_AgentId",
                table: "RegisteredAttesters",
                column: "AgentId");

            migrationBuilder.CreateIndex(
                name: "IX_RegisteredAttesters_EndorsementHash_KeyName",
                table: "RegisteredAttesters",
                columns: new[] { "EndorsementHash", "KeyName" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_RegisteredAttesters_HostId",
                table: "RegisteredAttesters",
                column: "HostId");

            migrationBuilder.CreateIndex(
                name: "IX_RegisteredAttesters_Status_LastSeenAt",
                table: "RegisteredAttesters",
                columns: new[] { "Status", "LastSeenAt" });

            migrationBuilder.CreateIndex(
                name: "IX_VendorRoots_Fingerprint",
                table: "VendorRoots",
                column: "Fingerprint",
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "AgentAuthorities");

            migrationBuilder.DropTable(
                name: "AttesterAcceptances");

            migrationBuilder.DropTable(
                name: "VendorRoots");

            migrationBuilder.DropTable(
                name: "RegisteredAttesters");
        }
    }
}
